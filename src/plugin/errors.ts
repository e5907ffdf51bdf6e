import { defineErrors } from "../base/errors.ts";

/** Errors of defining, configuring and starting a plugin. */
export const pluginError = /* @__PURE__ */ defineErrors({
  /**
   * The `name` given to definePlugin() can't be a plugin's name. It is part of host names, paths and metrics, so that only
   * what all of them allow is taken.
   */
  "PB-PLUGIN-NAME": {
    code: "InvalidArgument",
    hint: "Use 1 to 63 lower-case letters, digits and hyphens; a letter first, and no hyphen last.",
  },
  /** The `version` given to definePlugin() is not a semantic version. Hosts and callers compare versions by those rules. */
  "PB-PLUGIN-VERSION": {
    code: "InvalidArgument",
    hint: 'Use a semantic version such as "1.0.0", see https://semver.org.',
  },
  /**
   * A list of `protocolVersions` can't be used. It is empty, has the same version twice, or has something else than whole
   * numbers from 1 in it.
   */
  "PB-PLUGIN-PROTOCOL-VERSIONS": {
    code: "InvalidArgument",
    hint: "List each version once, as whole numbers, such as [1, 2].",
  },
  /** A dependency of a plugin can't be used. Its name is no plugin's name, or stands twice, or its version range can't be read. */
  "PB-PLUGIN-DEPENDENCY": {
    code: "InvalidArgument",
    hint: 'Name each dependency once, as { name: "other-plugin", versionRange: "^1.2.0" }.',
  },
  /**
   * The plugin's routes() failed. It threw, or returned a promise; often because it does work, or needs a configuration
   * or an environment that is not there yet when the plugin is defined.
   */
  "PB-PLUGIN-ROUTES": {
    code: "InvalidArgument",
    hint:
      "routes() only registers handlers. It runs once when the plugin is defined, with the default configuration and " +
      "an empty env, and once for each start. Move work into start() or into the handlers.",
  },
  /** The plugin's routes() read `state` while the plugin was being defined. The state comes from start(), which runs later. */
  "PB-PLUGIN-STATE": {
    code: "InvalidArgument",
    hint: "routes() runs once when the plugin is defined, before start(), to learn the services. Use `state` inside the handlers.",
  },
  /** A method has two handlers. routes() registers a service twice, or a service and one of its methods. */
  "PB-PLUGIN-DUPLICATE-SERVICE": {
    code: "InvalidArgument",
    hint: "Register each service, and each single method, once.",
  },
  /** routes() registers a service whose name is taken. Plugboard serves it beside those of every plugin, such as health. */
  "PB-PLUGIN-RESERVED-SERVICE": {
    code: "InvalidArgument",
    hint: "Register only your own services: Plugboard serves this one itself.",
  },
  /** The plugin's start() failed. What it threw is the error's cause. */
  "PB-PLUGIN-START": {
    code: "FailedPrecondition",
    hint: "Fix what the plugin's start() gives as the cause, then start the plugin again.",
  },
  /** The plugin's configuration does not fit. A key or a value is not one of its configuration message's, or no plugin reads it. */
  "PB-CONFIG-INVALID": {
    code: "InvalidArgument",
    hint: "Compare the configuration with the plugin's configuration message.",
  },
  /** An options object has a property that is no option. Most often it is misspelt, or belongs to another function. */
  "PB-OPTION-UNKNOWN": {
    code: "InvalidArgument",
    hint: "Check the spelling of the option.",
  },
});
