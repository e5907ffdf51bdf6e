// A page that makes one unary call, as docs/browsers.md says it.
import { connect } from "plugboard";
import { MarkdownService } from "../../examples/gen/examples/markdown/v1/markdown_pb.ts";

const connection = await connect(location.origin);
const { html } = await connection.client(MarkdownService).render({ markdown: "# hi" });
document.body.append(html);
