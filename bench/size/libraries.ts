// All of the libraries, and nothing of ours.
import connect from "./connect.ts";
import contract from "./contract.ts";
import hono from "./hono.ts";
import micromark from "./micromark.ts";

export default { connect, contract, hono, micromark };
