// Hono's smallest, and the middleware for CORS.
import { cors } from "hono/cors";
import { Hono } from "hono/tiny";

export default new Hono().use(cors());
