import type { AnyModule, Needs } from './module.ts';
import type { Contract } from './rpc/contract.ts';

/** What the picture is drawn from: all modules, and the calls that the shop itself makes. */
export interface GraphSource {
  readonly modules: readonly AnyModule[];
  readonly shopNeeds: Needs;
}

const SHOP = 'shop';

/**
 * The modules as a Mermaid flowchart: solid arrows are calls, from the module that makes them; dotted ones are events,
 * from the module that sends them. Everything comes from the modules' own definitions.
 */
export function drawModules({ modules, shopNeeds }: GraphSource): string {
  const contracts = modules.map(({ contract }): Contract => contract);
  return [
    'flowchart LR',
    `  ${SHOP}(["every process, and its operators"])`,
    ...modules.map(
      ({ contract, schema }) => `  ${contract.module}["${contract.module}<br>schema ${schema}"]`,
    ),
    ...callArrows(SHOP, shopNeeds),
    ...modules.flatMap(({ contract, needs }) => callArrows(contract.module, needs)),
    ...contracts.flatMap(eventArrows),
    '',
  ].join('\n');
}

function callArrows(caller: string, needs: Needs): string[] {
  return Object.values(needs).map(({ module, calls }) =>
    arrow(caller, '-->', Object.keys(calls).sort(), module),
  );
}

function eventArrows({ module, consumes }: Contract): string[] {
  const producers = [...new Set(consumes.map(producerOf))];
  return producers.map((producer) =>
    arrow(producer, '-.->', consumes.filter((type) => producerOf(type) === producer).sort(), module),
  );
}

const producerOf = (type: string) => type.slice(0, type.indexOf('.'));

function arrow(from: string, line: string, labels: readonly string[], to: string): string {
  return `  ${from} ${line}|"${labels.join('<br>')}"| ${to}`;
}

/** docs/modules.md, with the picture in it. */
export function renderModulesPage(source: GraphSource): string {
  return `# Modules

Written by a test from the modules' definitions, as \`banyan graph\` draws them.

A solid arrow is a call, made by the module at its foot: a function call where both modules are in one process, a request
between processes where they are not. A dotted arrow is an event, from the module that sends it, carried by its outbox.
Calls have no cycle; events may go anywhere. What a split would put on the network is what the arrows it cuts carry.

\`\`\`mermaid
${drawModules(source)}\`\`\`

What others know of each call and event, in full: \`modules/*/contract.json\`.
`;
}
