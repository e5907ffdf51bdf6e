/** Rounds of promises that something may take and still count as settled at once. */
const maxRounds = 4;

/** Tells whether a promise settles without waiting for a timer or for I/O, so that nothing need watch over it. */
export async function settlesAtOnce(promise: Promise<unknown>): Promise<boolean> {
  let settled = false;
  const settle = () => {
    settled = true;
  };
  promise.then(settle, settle);
  for (let round = 0; round < maxRounds && !settled; round++) {
    await undefined;
  }
  return settled;
}
