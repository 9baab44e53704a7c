// The contract of the events of vehicle registration marks, as data. Nothing here needs a file system or a network.
import data from "./data.js";

export const CONTRACT_VERSION = data.version;
export const schemas = data.schemas;

export const examples = () => data.examples.map(withEvent);
export const notices = () => data.notices.map(withEvent);
export const counterexamples = () => data.counterexamples.map(withEvent);

export function validator(ajv) {
  ajv.addSchema(Object.values(schemas).filter(({ $id }) => !ajv.getSchema($id)));
  return (event) => {
    const validate = ajv.getSchema((schemas[`${event?.eventName}.json`] ?? schemas["envelope.json"]).$id);
    return validate(event) ? [] : validate.errors.map(violation);
  };
}

function violation({ instancePath, keyword, params }) {
  return [keyword === "required" ? `${instancePath}/${params.missingProperty}` : instancePath, keyword];
}

function withEvent(published) {
  return { ...published, event: JSON.parse(published.body) };
}
