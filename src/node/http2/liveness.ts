import type * as http2 from "node:http2";
import type { Keepalive, Liveness } from "../../call/time/keepalive.ts";
import { watchLiveness } from "../../call/time/keepalive.ts";

/**
 * Tells once when the other side of an HTTP/2 connection does not respond to pings any more. They go out whatever comes
 * in, which is not observed here.
 * @param due Called when it is time for a ping; false leaves it out. Default: always true.
 */
export function watchHttp2(
  session: http2.Http2Session,
  keepalive: Keepalive,
  lost: () => void,
  due = () => true,
): Pick<Liveness, "stop"> {
  // Where the connection is no socket it does not count.
  const received = () => (session.destroyed ? 0 : (session.socket.bytesRead ?? 0));
  let before = 0;
  let liveness = watch();
  const stop = () => liveness.stop();
  session.once("close", stop);
  return { stop };

  function watch() {
    return watchLiveness(keepalive, ping, () => {
      // Its response to the ping may be waiting behind what else it sends.
      if (received() > before) {
        liveness = watch();
      } else {
        lost();
      }
    });
  }

  function ping() {
    before = received();
    if (session.closed || !due()) {
      // Node sends no pings on a connection that only ends its calls: whether it is lost, TCP's own keepalive decides, or who
      // gives the calls so long.
      liveness.heard();
    } else if (!session.destroyed) {
      // Refused where there are too many already, to which there was no response either.
      session.ping((error) => error ?? liveness.heard());
    }
  }
}
