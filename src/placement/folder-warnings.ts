import type { Config } from '../config.ts';
import type { AnyModule } from '../module.ts';
import type { PlacedInstance } from './instances.ts';

/** A process of a placement with the settings that it would run by. */
export interface ConfiguredInstance {
  readonly instance: PlacedInstance;
  readonly config: Config;
}

/** One sentence for each module that would keep parts of one thing in the folders of several processes. */
export function folderWarnings(
  modules: readonly AnyModule[],
  processes: readonly ConfiguredInstance[],
): string[] {
  return modules.flatMap((definition) => {
    const module: string = definition.contract.module;
    const workers = processes.filter(
      ({ instance, config }) => config.roles.includes('worker') && instance.modules.includes(module),
    );
    const kept = workers.flatMap(({ config }) => definition.keepsInFolder?.(config) ?? []);
    if (kept.length < 2) return [];
    const names = workers.map(({ instance }) => instance.name).join(', ');
    return [
      `${module} keeps ${kept[0]} in the DATA_DIR of whichever process does it (${names}): on several machines that ` +
        'is several folders',
    ];
  });
}
