// Writes TypeScript types of one major version: in, as JSON, {events, notices, schemas}: names of the schemas of events and
// of notices, and all schemas by name, as they refer to one another by #/components/schemas/<name>.
import { readFileSync } from "node:fs";
import { compile } from "json-schema-to-typescript";

const { events, notices, schemas } = JSON.parse(readFileSync(0, "utf8"));
const oneOf = (names) => names.map((name) => ({ $ref: `#/components/schemas/${name}` }));
const MarkEvent = { title: "MarkEvent", description: "An event of any type; its eventName tells which.", oneOf: oneOf(events) };
const message = {
  title: "Message",
  description: "The body of a message: an event, or a notice.",
  oneOf: oneOf(["MarkEvent", ...notices]),
  components: { schemas: { ...schemas, MarkEvent } },
};
const bannerComment = "// Generated from the schemas. Objects may have further properties: ignore those that you do not know.";
// Types of what is known only, so that a misspelt property does not pass.
process.stdout.write(await compile(message, "Message", { additionalProperties: false, bannerComment }));
