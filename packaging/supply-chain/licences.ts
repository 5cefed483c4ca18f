/** `npm run licences`: writes docs/licences.md anew. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { licencesPage } from './licences-page.ts';
import { project } from './production-packages.ts';

writeFileSync(join(project, 'docs/licences.md'), licencesPage());
