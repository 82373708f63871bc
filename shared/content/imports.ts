/**
 * What imports of a pickle mean. A list of bad names is never whole, so there is one of good names, too: what is on neither is shown as
 * unknown. The good ones are what torch and numpy write when they save tensors and arrays.
 */

/** By themselves, or anything below them, they run commands, code, reach files or the network, or get at the rest. */
const DANGEROUS_MODULES = new Set(
  (
    "os posix nt posixpath ntpath subprocess _posixsubprocess sys socket _socket ssl shutil pty tty commands runpy importlib imp _imp ctypes " +
    "_ctypes webbrowser pip code codeop asyncio multiprocessing threading _thread signal http urllib urllib2 urllib3 requests httpx aiohttp " +
    "ftplib smtplib telnetlib xmlrpc poplib imaplib nntplib socketserver pickle _pickle cPickle cloudpickle dill joblib marshal shelve tempfile " +
    "pathlib io _io zipimport pkgutil pydoc timeit trace bdb pdb profile cProfile doctest site sysconfig ensurepip venv distutils setuptools " +
    "types inspect gc operator _operator functools linecache lib2to3 idlelib platform uuid resource fcntl mmap select selectors sched queue " +
    "concurrent fileinput glob winreg _winapi msvcrt antigravity test unittest cffi paramiko fabric git jinja2 yaml mako code_context " +
    "logging configparser getpass readline rlcompleter builtins_ext aifc bz2 gzip lzma tarfile zipfile sqlite3 dbm"
  ).split(" "),
);

const DANGEROUS_BUILTINS = new Set(
  (
    "eval exec execfile compile open file getattr setattr delattr hasattr __import__ globals locals vars dir breakpoint input raw_input apply " +
    "map filter reduce memoryview type super property classmethod staticmethod help exit quit print reload callable"
  ).split(" "),
);
const BUILTINS = new Set(["builtins", "__builtin__", "__builtins__"]);

/** In packages that are fine otherwise. */
const DANGEROUS_NAMES: readonly RegExp[] = [
  /^torch\.(hub|package|distributed|multiprocessing|utils\.(cpp_extension|collect_env|bottleneck|model_dump|data|_config_module))\./,
  /^torch\.(load|save|jit\.|ops\.|classes\.|serialization\.|storage\._load_from_bytes|_dynamo\.|_inductor\.|fx\.)/,
  /^numpy\.(testing|distutils|f2py|load|save|fromfile|memmap|lib\.npyio|core\._internal)/,
  /^(sklearn|pandas|transformers|datasets|tensorflow|keras)\..*(load|read_|eval|exec|run|import|from_pretrained)/,
  /^copyreg\.(extension_|add_extension|_inverted_registry|_extension_registry)/,
];

const KNOWN: readonly RegExp[] = [
  /^collections\.(OrderedDict|defaultdict|deque|Counter)$/,
  /^torch\._utils\._rebuild_(tensor|tensor_v2|tensor_v3|parameter|parameter_with_state|qtensor|sparse_tensor|meta_tensor_no_storage|wrapper_subclass)$/,
  /^torch\.([A-Z][A-Za-z0-9]*Storage|Size|device|Tensor|dtype|bfloat16|float(16|32|64)?|half|double|u?int(8|16|32|64)|bool|complex(64|128)|float8_\w+)$/,
  /^torch\.(nn\.parameter\.(Parameter|Buffer)|storage\.(UntypedStorage|TypedStorage)|_tensor\._rebuild_from_type_v2|serialization\._get_layout)$/,
  /^pathlib\.(Pure)?(Posix|Windows)?Path$/,
  /^numpy\.(ndarray|dtype|bool_|[ui]?int(8|16|32|64)|float(16|32|64))$/,
  /^numpy\.(core|_core)\.(multiarray\.(_reconstruct|scalar)|numeric\._frombuffer)$/,
  /^(builtins|__builtin__)\.(set|frozenset|list|dict|tuple|int|float|str|bytes|bytearray|bool|complex|slice|range|object|NoneType)$/,
  /^(_codecs\.encode|copyreg\._reconstructor|copy_reg\._reconstructor|datetime\.(datetime|date|timedelta|timezone))$/,
];

export type ImportKind = "known" | "unknown" | "dangerous";

/** @param name `module.name`, or "?" for one that is made up while the pickle runs. */
export function importKind(name: string): ImportKind {
  if (name === "?") return "dangerous";
  if (KNOWN.some((pattern) => pattern.test(name))) return "known";
  const [top = "", ...rest] = name.split(".");
  if (BUILTINS.has(top)) return rest.some((part) => DANGEROUS_BUILTINS.has(part) || part.startsWith("__")) ? "dangerous" : "unknown";
  if (DANGEROUS_MODULES.has(top) || DANGEROUS_NAMES.some((pattern) => pattern.test(name))) return "dangerous";
  // An attribute of an attribute that leads back to what is dangerous: module.os.system.
  return rest.some((part) => DANGEROUS_MODULES.has(part) || part.startsWith("__")) ? "dangerous" : "unknown";
}
