/** One call of `goodgateway init`: what was asked for, and what was found. */
import type { HostFiles } from '../doctor/host-files.ts';
import type { InstallRecord } from '../init/install-record.ts';
import type { Machine } from '../init/machine.ts';

/** As commander gives them. */
export interface InitOptions {
  readonly config?: string;
  readonly nginxConf: string;
  readonly root?: string;
  readonly phpFpm?: readonly string[];
  readonly runtime: string;
  readonly state: string;
  readonly audit: string;
  readonly admin: string;
  readonly only?: string;
  readonly actOnCrash?: boolean;
  readonly apply?: true;
  readonly yes?: true;
  readonly force?: true;
  readonly dryRun?: true;
  readonly json?: true;
}

export interface Scene {
  readonly options: InitOptions;
  readonly config: string;
  readonly files: HostFiles;
  readonly machine: Machine;
  readonly record: InstallRecord;
  readonly nginxFile: string;
}
