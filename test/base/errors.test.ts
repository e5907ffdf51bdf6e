import { Code, ConnectError } from "@connectrpc/connect";
import { connect, defineErrors, isPlugboardError, PlugboardError } from "plugboard";
import { describe, expect, test } from "vitest";

const storeError = defineErrors({
  "STORE-LOCKED": { code: "Unavailable", hint: "Close the other program that has the file open." },
  "STORE-FULL": { code: "ResourceExhausted", hint: "Delete what is no longer needed." },
});

describe("an error of a package's own code", () => {
  const error = storeError("STORE-LOCKED", "notes.db is locked");

  test("says its code, what happened, and what to do", () => {
    expect(error.errorCode).toBe("STORE-LOCKED");
    expect(error.code).toBe(Code.Unavailable);
    expect(error.hint).toBe("Close the other program that has the file open.");
    expect(error.rawMessage).toBe("STORE-LOCKED: notes.db is locked\nClose the other program that has the file open.");
  });

  test("is a ConnectError, and Connect's own functions take it for one", () => {
    expect(error).toBeInstanceOf(Error);
    expect(error).toBeInstanceOf(ConnectError);
    expect(ConnectError.from(error)).toBe(error);
  });

  test("is told from a ConnectError, from another error and from anything else", () => {
    expect(error).toBeInstanceOf(PlugboardError);
    expect(isPlugboardError(error)).toBe(true);
    for (const other of [
      new ConnectError("STORE-LOCKED: notes.db is locked", Code.Unavailable),
      new Error("notes.db is locked"),
      { errorCode: "STORE-LOCKED", hint: "Check it." },
      "STORE-LOCKED",
      undefined,
      null,
    ]) {
      expect(other).not.toBeInstanceOf(PlugboardError);
      expect(isPlugboardError(other)).toBe(false);
      expect(storeError.is(other)).toBe(false);
    }
  });

  test("can be matched by its code, and told from errors of other declarations", async () => {
    expect(storeError.is(error)).toBe(true);
    expect(storeError.is(error, "STORE-LOCKED")).toBe(true);
    expect(storeError.is(error, "STORE-FULL")).toBe(false);
    const [, ofCore] = await Promise.allSettled([undefined, connect("nonsense:")]);
    const reason = ofCore.status === "rejected" ? ofCore.reason : undefined;
    expect(isPlugboardError(reason, "PB-TARGET-UNSUPPORTED")).toBe(true);
    expect(isPlugboardError(reason, "PB-CONNECTION-CLOSED")).toBe(false);
    expect(storeError.is(reason)).toBe(false);
  });

  test("keeps its cause, and a hint that knows more than the declared one", () => {
    const cause = new Error("EBUSY");
    const knowing = storeError("STORE-LOCKED", "notes.db is locked", { cause, hint: "Stop process 4711." });
    expect(knowing.cause).toBe(cause);
    expect(knowing.hint).toBe("Stop process 4711.");
    expect(knowing.message).toContain("Stop process 4711.");
    expect(knowing.message).not.toContain(error.hint);
  });
});
