/**
 * The error in a chain of causes that says that no connection was made, so that nothing was sent; undefined if there is
 * none. Node's HTTP clients and its fetch tell that; elsewhere it can't be known.
 */
export function connectFailure(error: unknown): unknown {
  if (!(error instanceof Error)) {
    return undefined;
  }
  // Several addresses were tried.
  if ("errors" in error && Array.isArray(error.errors) && error.errors.length > 0) {
    return error.errors.every((each) => connectFailure(each) !== undefined) ? error.errors[0] : undefined;
  }
  const didNotConnect = "syscall" in error && (error.syscall === "connect" || error.syscall === "getaddrinfo");
  return didNotConnect ? error : connectFailure(error.cause);
}
