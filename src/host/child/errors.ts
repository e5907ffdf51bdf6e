import { defineErrors } from "../../base/errors.ts";

/** Errors of starting a plugin's process. */
export const childError = /* @__PURE__ */ defineErrors({
  /** The command does not exist. It is misspelt, or not on the PATH that the plugin gets. */
  "PB-LAUNCH-NOT-FOUND": {
    code: "NotFound",
    hint: "Check the spelling of the command, and PATH.",
  },
  /** The command can't be executed. Its file lacks the permission, or its interpreter is missing. */
  "PB-LAUNCH-NOT-EXECUTABLE": {
    code: "PermissionDenied",
    hint: "Make the file executable, or run it by its interpreter.",
  },
  /** The option `cwd` names no directory. It does not exist, or is a file. */
  "PB-LAUNCH-DIRECTORY": {
    code: "NotFound",
    hint: "Check the option `cwd`: it has to be a directory that exists.",
  },
  /** The command's file does not have the expected SHA-256. It was replaced or updated, or the checksum is that of another file. */
  "PB-LAUNCH-CHECKSUM": {
    code: "FailedPrecondition",
    hint:
      "Do not start the file before you know why it differs from the expected one. Of a command such as " +
      '["node", "plugin.js"] the file of the first word is checked.',
  },
  /** The system did not start the process. The environment or the arguments are too long or malformed, or it is out of resources. */
  "PB-LAUNCH-FAILED": {
    code: "Internal",
    hint: "Look the code up in the manual of Node or of the operating system; check env and args for zero bytes.",
  },
  /** The command wrote to stdout without end. It is probably no plugin: the first line has to be the handshake. */
  "PB-HANDSHAKE-TOO-LONG": {
    code: "ResourceExhausted",
    hint: "Check that the command is a plugin, and prints nothing to stdout before its handshake.",
  },
  /** Node can't load a module of the plugin. An import is missing or misspelt, or a file has a syntax error. */
  "PB-PLUGIN-MODULE": {
    code: "FailedPrecondition",
    hint: "Correct the import or the syntax that Node names, then load the plugin again.",
  },
});
