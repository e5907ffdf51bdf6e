// What turns Markdown into HTML.
import { findHeadings, toHtml } from "../../examples/markdown/render.ts";

export default { findHeadings, toHtml };
