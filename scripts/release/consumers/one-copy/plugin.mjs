import { Code, ConnectError } from "@connectrpc/connect";
import { definePlugin } from "plugboard";
import { FailingService } from "./service.mjs";

export default definePlugin({
  name: "failing",
  version: "1.0.0",
  routes(router) {
    router.service(FailingService, {
      fail() {
        throw new ConnectError("there is none", Code.NotFound, { "X-Looked": "everywhere" });
      },
    });
  },
});
