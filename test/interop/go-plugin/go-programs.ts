import { fileURLToPath } from "node:url";
import { buildGo } from "../build-go.ts";

export { lacksGo } from "../build-go.ts";

const module = fileURLToPath(new URL("programs", import.meta.url));

/**
 * Builds one of our programs, such as "./plugin", or one of go-plugin's examples, such as
 * "github.com/hashicorp/go-plugin/examples/grpc", once in a run of the tests. Returns its path.
 */
export function goProgram(packagePath: string): Promise<string> {
  return buildGo(module, packagePath);
}
