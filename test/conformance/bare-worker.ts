/** A Worker without any code of ours: says what fetch makes of an address, and whether a response can have trailers. */
export default {
  async fetch(request: Request): Promise<Response> {
    const target = new URL(request.url).searchParams.get("target");
    if (target === null) {
      return Response.json({ members: Object.keys(Object.getOwnPropertyDescriptors(Response.prototype)) });
    }
    try {
      return new Response((await fetch(target)).statusText);
    } catch (error) {
      return new Response(String(error), { status: 502 });
    }
  },
};
