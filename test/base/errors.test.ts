import { Code, ConnectError } from "@connectrpc/connect";
import { errorCodes, isPlugboardError, PlugboardError } from "plugboard";
import { describe, expect, test } from "vitest";

describe("the table of errors", () => {
  test("lists each code once", () => {
    expect(errorCodes.length).toBeGreaterThan(0);
    expect(new Set(errorCodes).size).toBe(errorCodes.length);
  });

  test.each(errorCodes)("gives %s a stable form, a Connect code and a hint", (errorCode) => {
    expect(errorCode).toMatch(/^PB-[A-Z]+(-[A-Z]+)*$/);
    const error = new PlugboardError(errorCode, "what happened");
    expect(error.errorCode).toBe(errorCode);
    expect(Code[error.code]).toBeTypeOf("string");
    expect(error.hint).toMatch(/\S.*[.]$/s);
    expect(error.rawMessage).toBe(`${errorCode}: what happened\n${error.hint}`);
  });
});

describe("a PlugboardError", () => {
  const error = new PlugboardError("PB-DIAL-FAILED", "nothing answers");

  test("is a ConnectError, and Connect's own functions take it for one", () => {
    expect(error).toBeInstanceOf(Error);
    expect(error).toBeInstanceOf(ConnectError);
    expect(ConnectError.from(error)).toBe(error);
    expect(error.code).toBe(Code.Unavailable);
  });

  test("is told from a ConnectError, from another error and from anything else", () => {
    expect(error).toBeInstanceOf(PlugboardError);
    for (const other of [
      new ConnectError("PB-DIAL-FAILED: nothing answers", Code.Unavailable),
      new Error("nothing answers"),
      { errorCode: "PB-DIAL-FAILED", hint: "Check it." },
      "PB-DIAL-FAILED",
      undefined,
      null,
    ]) {
      expect(other).not.toBeInstanceOf(PlugboardError);
      expect(isPlugboardError(other)).toBe(false);
    }
  });

  test("can be asked for its code", () => {
    expect(isPlugboardError(error)).toBe(true);
    expect(isPlugboardError(error, "PB-DIAL-FAILED")).toBe(true);
    expect(isPlugboardError(error, "PB-CONNECTION-CLOSED")).toBe(false);
  });

  test("keeps its cause, and a hint that knows more than the table's", () => {
    const cause = new Error("ECONNREFUSED");
    const knowing = new PlugboardError("PB-DIAL-FAILED", "nothing answers", { cause, hint: "Start the server first." });
    expect(knowing.cause).toBe(cause);
    expect(knowing.hint).toBe("Start the server first.");
    expect(knowing.message).toContain("Start the server first.");
    expect(knowing.message).not.toContain(error.hint);
  });
});
