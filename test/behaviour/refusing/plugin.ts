import { definePlugin } from "plugboard";
import { AccessService } from "../../gen/plugboard/test/v1/access_pb.ts";
import behaviour from "../plugin.ts";

/** The behaviour plugin, with methods that require scopes. */
export default definePlugin({
  ...behaviour,
  routes(router, context) {
    behaviour.routes(router, context);
    router.service(AccessService, {
      greet: () => ({}),
      whoAmI: () => ({}),
      write: () => ({}),
      async *purge() {
        yield {};
      },
    });
  },
});
