import { writeFileSync } from 'node:fs';
import type { Command } from 'commander';
import { drawModules } from '../module-graph.ts';
import { CommandError, exitCodes } from './exit-codes.ts';
import { loadShop } from './load-shop.ts';
import { terminal } from './terminal.ts';

export function addGraph(program: Command): void {
  program
    .command('graph')
    .description('draw the modules, their calls and their events as a Mermaid flowchart')
    .option('--out <file>', 'write to this file instead of standard output')
    .addHelpText(
      'after',
      `
Drawn from the code, for the modules that could be hosted, whatever MODULES says; docs/modules.md shows it.

Examples:
  banyan graph
  banyan graph --out modules.mmd`,
    )
    .action(async ({ out }: { out?: string }) => {
      const { allModules, shopNeeds } = await loadShop();
      const picture = drawModules({ modules: allModules, shopNeeds });
      if (out === undefined) terminal.out.write(picture);
      else writeTo(out, picture);
    });
}

function writeTo(file: string, text: string): void {
  try {
    writeFileSync(file, text);
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    throw new CommandError(exitCodes.failed, `${file} cannot be written (${code})`, { cause });
  }
}
