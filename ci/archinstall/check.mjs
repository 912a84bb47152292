// archinstall's own code reads an answer file: `archinstall-check FILE`. It needs Python 3.14, which Debian 12 does not have; Pyodide is that Python.
//
// Around it are Python's packages as they come from PyPI (`ARCHINSTALL_SITE`), and reader.py beside this file.
import { readFileSync, realpathSync } from 'node:fs';
import { pathToFileURL } from 'node:url';

const site = realpathSync(process.env.ARCHINSTALL_SITE);
const { loadPyodide } = await import(pathToFileURL(`${site}/node_modules/pyodide/pyodide.mjs`));
const python = await loadPyodide();
python.FS.mkdirTree('/site');
python.FS.mount(python.FS.filesystems.NODEFS, { root: `${site}/python` }, '/site');
python.FS.writeFile('/answers.json', readFileSync(process.argv[2]));
const said = await python.runPythonAsync(readFileSync(new URL('reader.py', import.meta.url), 'utf8'));
if (said !== '') {
    console.error(said);
    process.exit(1);
}
