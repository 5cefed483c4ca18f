/** `npm run --silent sbom > goodgateway.cdx.json`: what an installation is made of, as CycloneDX. */
import { billOfMaterials } from './bill-of-materials.ts';

process.stdout.write(`${JSON.stringify(billOfMaterials(), null, 2)}\n`);
