import type { MarkEvent, Message } from "./types.js";

export * from "./types.js";

/** A rule that an event breaks: where, as a JSON Pointer, and which keyword of the schema; never a value. */
export type Violation = [path: string, rule: string];

/** What the contract publishes. */
interface Published {
  /** The JSON text, with all digits. */
  readonly body: string;
}

/** A message as a client gets it: an event that the contract allows, or a notice. */
export interface Example<Body> extends Published {
  /** Its type and its own name, like LockEvent/locked-for-sale. */
  readonly name: string;
  /** The body as JSON.parse reads it, which rounds numbers to doubles; each call gives another object. */
  readonly event: Body;
}

/** An event that the contract forbids: no client gets it. */
export interface Counterexample extends Published {
  readonly description: string;
  /** Every rule that it breaks. */
  readonly violations: Violation[];
  readonly event: unknown;
}

/** The part of ajv that a validator uses. */
export interface Schemas {
  addSchema(schemas: object[]): unknown;
  getSchema(id: string): unknown;
}

/** The version of the contract, and of this package: each major version has a package of its own. */
export declare const CONTRACT_VERSION: string;
/** The JSON Schemas (2020-12) by file name: schemas["LockEvent.json"]. */
export declare const schemas: Record<string, { $id: string; [keyword: string]: unknown }>;

/** Events that the contract allows. */
export declare function examples(): Example<MarkEvent>[];
/** Messages that are no events, for clients that ask for notices. */
export declare function notices(): Example<Exclude<Message, MarkEvent>>[];
/** Events that the contract forbids. */
export declare function counterexamples(): Counterexample[];

/** A function that returns every rule that an event breaks, by an Ajv2020 of yours with the option allErrors. */
export declare function validator(ajv: Schemas): (event: unknown) => Violation[];
