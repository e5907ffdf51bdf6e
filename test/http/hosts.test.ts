import { expect, test } from "vitest";
import { checkHosts, onlyHosts } from "../../src/http/hosts.ts";

test.each([
  ["notes.test:443", ["notes.test", "notes.test:443", "NOTES.TEST."], ["notes.test:8443", "notes.test:80"]],
  ["notes.test:80", ["notes.test", "notes.test:80"], ["notes.test:443"]],
  ["notes.test:8443", ["notes.test:8443", "notes.test.:8443"], ["notes.test", "notes.test:443"]],
  ["münchen.test", ["xn--mnchen-3ya.test", "XN--MNCHEN-3YA.test:80", "münchen.test"], ["munchen.test"]],
  ["MÜNCHEN.test:8443", ["xn--mnchen-3ya.test:8443"], ["xn--mnchen-3ya.test"]],
  ["notes.test.", ["notes.test", "notes.test.", "notes.test:8443"], ["notes"]],
  ["Notes.test.:8443", ["notes.test:8443"], ["notes.test"]],
  ["[2001:DB8:0::1]", ["[2001:db8::1]", "[2001:db8::1]:80", "[2001:DB8:0::1]"], ["[2001:db8::2]"]],
  ["*", ["notes.test", "10.0.0.1:80"], []],
])("the host %s stands for what clients call it, and nothing else", (host, same, others) => {
  checkHosts([host]);
  const { allows } = onlyHosts([host]);
  expect(same.filter((each) => !allows(each))).toEqual([]);
  expect([...others, "evil.test", "notes.test.evil.test"].filter((each) => host !== "*" && allows(each))).toEqual([]);
});
