import { type DescMessage, type DescService, fromBinary, type Message, toBinary } from '@bufbuild/protobuf';
import { invariant } from '../errors.ts';
import type { CallSpec, Contract } from '../rpc/contract.ts';
import { createTypes } from './descriptor.ts';
import { fieldNumbers } from './field-numbers.ts';
import { type ProtoMethod, protoOf } from './proto-model.ts';
import { createValues } from './values.ts';

/** A module's contract as a gRPC service. */
export interface Protocol {
  readonly service: DescService;
  /** By the calls' names. */
  readonly methods: ReadonlyMap<string, Method>;
}

/** One call of a contract, between its JSON values and protobuf. */
export interface Method {
  /** Of the method in its service, as `ProductsBySku`. */
  readonly name: string;
  /** As `/banyan.product.v1.ProductService/ProductsBySku`. */
  readonly path: string;
  readonly spec: CallSpec;
  /** Throws a bug when the value is not of the contract's form. */
  encodeInput(value: unknown): Uint8Array;
  /** Throws when the bytes are no protobuf. Whether the value fits the contract is for its schema to say. */
  decodeOutput(bytes: Uint8Array): unknown;
  readInput(message: Message): unknown;
  /** Throws a bug when the value is not of the contract's form. */
  writeOutput(value: unknown): Message;
}

const protocols = new WeakMap<Contract['calls'], Protocol>();

/** The contract's protocol, made once; undefined when it has no calls. */
export function protocolOf(contract: Contract): Protocol | undefined {
  const known = protocols.get(contract.calls);
  if (known !== undefined) return known;
  const file = protoOf(contract, fieldNumbers);
  if (file === undefined) return undefined;
  const types = createTypes(file);
  const values = createValues(types);
  const service = types.service(file);
  const method = ({ name, spec, input, output }: ProtoMethod): Method => {
    const [inputDesc, outputDesc]: DescMessage[] = [types.message(input), types.message(output)];
    return {
      name,
      path: `/${service.typeName}/${name}`,
      spec,
      encodeInput: (value) => toBinary(inputDesc!, values.toMessage(input, value)),
      decodeOutput: (bytes) => values.fromMessage(output, fromBinary(outputDesc!, bytes)),
      readInput: (message) => values.fromMessage(input, message),
      writeOutput: (value) => values.toMessage(output, value),
    };
  };
  invariant(file.service, `${contract.module} has a service`);
  const methods = new Map(file.service.methods.map((each) => [each.call, method(each)]));
  const protocol = { service, methods };
  protocols.set(contract.calls, protocol);
  return protocol;
}
