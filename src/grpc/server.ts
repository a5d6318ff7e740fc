import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Http2ServerRequest, Http2ServerResponse } from 'node:http2';
import type { DescMethodUnary, Message } from '@bufbuild/protobuf';
import { type ConnectRouter, createContextKey, type HandlerContext } from '@connectrpc/connect';
import { connectNodeAdapter } from '@connectrpc/connect-node';
import { invariant, isAppError } from '../errors.ts';
import { CALL_ANSWER_BYTES, CALL_BYTES } from '../limits.ts';
import { CONTRACT_HEADER, NOT_HOSTED, PEER_HEADER, TIMEOUT_HEADER } from '../rpc/call-headers.ts';
import type { Contract } from '../rpc/contract.ts';
import type { Caller } from '../rpc/service-token.ts';
import type { CallTaker, FoundCall } from '../rpc/take-call.ts';
import { toStatus } from './failure.ts';
import { healthService, type Serving } from './health.ts';
import { type Method, protocolOf } from './protocol.ts';

/** Takes the requests whose paths it knows. */
export interface NodeHandler {
  handles(path: string): boolean;
  handle(request: IncomingMessage | Http2ServerRequest, response: ServerResponse | Http2ServerResponse): void;
}

/** A call that was admitted, before its message is read. */
interface Admitted {
  readonly found: FoundCall;
  readonly caller: Caller;
}

const admittedKey = createContextKey<Admitted | undefined>(undefined);

/**
 * The contracts' calls by gRPC, gRPC-Web and Connect, for other processes of the shop and for other languages. They
 * want a service token made for the module, as `/internal/<module>/<call>` does.
 */
export function createGrpcServer(options: {
  /** All modules of the shop: of those that run elsewhere it says so. */
  contracts: readonly Contract[];
  taker: CallTaker;
  serving: Serving;
}): NodeHandler {
  const { contracts, taker } = options;
  const paths = new Set<string>();
  let handler: ReturnType<typeof connectNodeAdapter> | undefined;

  function routes(router: ConnectRouter): void {
    const hosted = new Set<string>();
    const health = healthService(options.serving, hosted);
    paths.add(health.path);
    router.rpc(health.check as DescMethodUnary, health.answer);
    for (const contract of contracts) {
      const protocol = protocolOf(contract);
      if (protocol === undefined) continue;
      if (taker.hosts(contract.module)) hosted.add(protocol.service.typeName);
      for (const [call, method] of protocol.methods) {
        paths.add(method.path);
        const desc = protocol.service.methods.find(({ name }) => name === method.name);
        invariant(desc?.methodKind === 'unary', `${method.path} has a descriptor`);
        router.rpc(desc as DescMethodUnary, (message, context) => answer(method, message, context), {
          // Before the message is read: whoever has no token does not get to send one.
          requestGate: (context) => admit(contract.module, call, context),
        });
      }
    }
  }

  async function admit(module: string, call: string, context: HandlerContext): Promise<void> {
    try {
      const authorization = context.requestHeader.get('authorization') ?? undefined;
      const caller = await taker.admit(module, call, authorization);
      context.values.set(admittedKey, { found: taker.find(module, call), caller });
    } catch (error) {
      if (isAppError(error, 'not_hosted')) context.responseHeader.set(PEER_HEADER, NOT_HOSTED);
      throw toStatus(error, { inTrailer: isInTrailer(context) });
    }
  }

  async function answer(method: Method, message: Message, context: HandlerContext): Promise<Message> {
    const admitted = context.values.get(admittedKey);
    invariant(admitted, `${method.path} is admitted before it is read`);
    const { found, caller } = admitted;
    const leftMs = context.timeoutMs();
    const header = (name: string) => {
      if (name === TIMEOUT_HEADER) {
        // A message may take longer to come than its sender wants to wait.
        return leftMs === undefined ? undefined : String(Math.max(0, Math.ceil(leftMs)));
      }
      return context.requestHeader.get(name) ?? undefined;
    };
    context.responseHeader.set(CONTRACT_HEADER, found.hash);
    try {
      const output = await taker.make(found, { caller, header }, () => method.readInput(message));
      return method.writeOutput(output);
    } catch (error) {
      throw toStatus(error, { inTrailer: isInTrailer(context) });
    }
  }

  /** Made for the first who calls: most processes are called by nobody, and all the types take a tenth of a start. */
  function made() {
    handler ??= connectNodeAdapter({
      routes,
      readMaxBytes: CALL_BYTES,
      writeMaxBytes: CALL_ANSWER_BYTES,
      // Between processes of one network it costs more than it saves, and what is not unpacked can not burst.
      acceptCompression: [],
      jsonOptions: { alwaysEmitImplicit: true },
    });
    return { handler, paths };
  }

  return {
    handles: (path) => NAMES_SERVICE.test(path) && made().paths.has(path.split('?', 1)[0]!),
    handle(request, response) {
      if ('stream' in response) dropRest(response);
      made().handler(request, response);
    },
  };
}

/** Services are in packages, so their names have dots; no other path of ours begins like that. */
const NAMES_SERVICE = /^\/\w+\.[\w.]+\//;

/** The rest of a message whose answer is already there is dropped: unread, it would hold the connection open. */
function dropRest({ stream }: Http2ServerResponse): void {
  stream.once('finish', () => {
    stream.removeAllListeners('data');
    stream.resume();
  });
}

/** Connect's errors are a body of their own, of any length. */
function isInTrailer({ protocolName }: HandlerContext): boolean {
  return protocolName !== 'connect';
}
