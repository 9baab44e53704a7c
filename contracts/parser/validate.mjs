// Judges AsyncAPI documents by AsyncAPI's own parser. A line in is the document's text as a JSON string; the line out
// for it is every [severity, rule, path, message], whatever the severity: 0 error, 1 warning, 2 information, 3 hint.
import { createInterface } from "node:readline";
import { Parser } from "@asyncapi/parser";

const parser = new Parser();
for await (const line of createInterface({ input: process.stdin })) {
  const diagnostics = await parser.validate(JSON.parse(line));
  const told = diagnostics.map(({ severity, code, path, message }) => [severity, code, path.join("/"), message]);
  process.stdout.write(JSON.stringify(told) + "\n");
}
