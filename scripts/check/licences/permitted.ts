/**
 * True if an SPDX expression can be met with the permitted licences: all that AND joins, and one of those that OR
 * joins. Expressions with AND and OR in one another are not permitted, as no package here has one.
 */
export function isPermitted(expression: string, permitted: readonly string[]): boolean {
  const plain = expression.replace(/^\((.*)\)$/, "$1");
  if (permitted.includes(plain)) {
    return true;
  }
  const [any, all] = [plain.split(" OR "), plain.split(" AND ")];
  if (any.length > 1) {
    return any.some((licence) => permitted.includes(licence));
  }
  return all.every((licence) => permitted.includes(licence));
}
