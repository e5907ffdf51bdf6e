/** The bindings in vitest.config.ts of the Worker that the tests run in. */
declare module "cloudflare:workers" {
  export const env: {
    readonly BEHAVIOUR: import("plugboard").ServiceBinding;
    /** The plugin of test/behaviour/refusing, in its two moods. */
    readonly PATIENT: import("plugboard").ServiceBinding;
    readonly BRIEF: import("plugboard").ServiceBinding;
  };
}
