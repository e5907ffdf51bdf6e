import { routes } from "./routes.ts";
import { describeBehaviour } from "./suite.ts";

for (const route of routes) {
  describeBehaviour(route);
}
