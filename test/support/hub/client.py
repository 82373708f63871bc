"""What a user of huggingface_hub does, unmodified, against HF_ENDPOINT. Prints a line of JSON for each operation.

argv: repository that `ferry` pushed, folder with the same files, name for a new repository.
"""

import hashlib
import io
import json
import os
import sys
import tempfile

from huggingface_hub import (
    CommitOperationAdd,
    CommitOperationCopy,
    CommitOperationDelete,
    HfApi,
    HfFileSystem,
    __version__,
    hf_hub_download,
    snapshot_download,
)
from huggingface_hub.errors import (
    EntryNotFoundError,
    HfHubHTTPError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

PUSHED, FOLDER, NEW = sys.argv[1:4]
api = HfApi()


def sha(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() if hasattr(hashlib, "file_digest") else hashlib.sha256(file.read()).hexdigest()


def tree(folder):
    found = {}
    for root, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name != ".cache"]
        for name in names:
            path = os.path.join(root, name)
            found[os.path.relpath(path, folder)] = sha(path)
    return found


def raises(kind, act, status=None):
    try:
        act()
    except kind as error:
        assert status is None or error.response.status_code == status, error.response.status_code
        return
    raise AssertionError(f"{kind.__name__} was not raised")


def whoami():
    assert api.whoami()["name"]


def model_info():
    info = api.model_info(PUSHED, files_metadata=True)
    assert len(info.sha) == 40 and {s.rfilename: s.size for s in info.siblings}["config.json"] == 7


def download_snapshot():
    assert tree(snapshot_download(PUSHED)) == tree(FOLDER)


def download_local_dir():
    with tempfile.TemporaryDirectory() as folder:
        snapshot_download(PUSHED, local_dir=folder)
        assert tree(folder) == tree(FOLDER)


def download_file():
    assert open(hf_hub_download(PUSHED, "config.json"), "rb").read() == b'{"a":1}'


def errors():
    raises(RepositoryNotFoundError, lambda: hf_hub_download("team/none", "x"))
    raises(RepositoryNotFoundError, lambda: api.model_info(PUSHED, token=False))
    raises(EntryNotFoundError, lambda: hf_hub_download(PUSHED, "nope.json"))
    raises(RevisionNotFoundError, lambda: hf_hub_download(PUSHED, "config.json", revision="nope"))
    raises(HfHubHTTPError, lambda: api.model_info(PUSHED, token="hf_bad"), 401)


def listings():
    assert "sub" in [item.path for item in api.list_repo_tree(PUSHED, recursive=True, expand=True)]
    assert len(api.get_paths_info(PUSHED, ["sub", "config.json", "zz"])) == 2
    assert [ref.name for ref in api.list_repo_refs(PUSHED).branches] == ["main"]
    assert [commit.title for commit in api.list_repo_commits(PUSHED)] == ["first"]
    assert PUSHED in [model.id for model in api.list_models(author=PUSHED.split("/")[0])]
    assert api.repo_exists(PUSHED) and api.file_exists(PUSHED, "config.json") and not api.revision_exists(PUSHED, "zz")


def file_system():
    with HfFileSystem().open(f"{PUSHED}/model.safetensors", "rb") as mine, open(f"{FOLDER}/model.safetensors", "rb") as theirs:
        mine.seek(60_000_000)
        theirs.seek(60_000_000)
        assert mine.read(1000) == theirs.read(1000)
    assert "a" in api.parse_safetensors_file_metadata(PUSHED, "model.safetensors").tensors


def create():
    api.create_repo(NEW)
    raises(HfHubHTTPError, lambda: api.create_repo(NEW), 409)
    assert api.create_repo(NEW, exist_ok=True).repo_id == NEW


def upload_folder():
    api.upload_folder(repo_id=NEW, folder_path=FOLDER)
    head = api.model_info(NEW).sha
    api.upload_folder(repo_id=NEW, folder_path=FOLDER)
    assert api.model_info(NEW).sha == head, "the same folder again made a revision"
    got = tree(snapshot_download(NEW))
    assert got.pop(".gitattributes") and got == tree(FOLDER)


def upload_objects():
    content = os.urandom(3_000_000)
    api.upload_file(repo_id=NEW, path_or_fileobj=io.BytesIO(content), path_in_repo="x/big.bin")
    api.upload_file(repo_id=NEW, path_or_fileobj=b"hello", path_in_repo="x/small.txt")
    assert open(hf_hub_download(NEW, "x/big.bin"), "rb").read() == content


def copy_and_delete():
    copy = CommitOperationCopy("x/big.bin", "y/copy.bin")
    api.create_commit(NEW, [copy, CommitOperationDelete("x/small.txt")], commit_message="copy")
    assert sha(hf_hub_download(NEW, "y/copy.bin")) == sha(hf_hub_download(NEW, "x/big.bin"))
    raises(EntryNotFoundError, lambda: api.create_commit(NEW, [CommitOperationDelete("zz")], commit_message="no"))
    api.delete_folder("x", NEW)
    assert not any(path.startswith("x/") for path in api.list_repo_files(NEW))


def parent_commit():
    old = api.list_repo_commits(NEW)[-1].commit_id
    add = [CommitOperationAdd("q", b"1")]
    raises(HfHubHTTPError, lambda: api.create_commit(NEW, add, commit_message="no", parent_commit=old), 412)


def branches_and_tags():
    api.create_branch(NEW, branch="dev")
    raises(HfHubHTTPError, lambda: api.create_branch(NEW, branch="dev"), 409)
    api.upload_file(repo_id=NEW, path_or_fileobj=b"dev", path_in_repo="dev.txt", revision="dev")
    assert api.file_exists(NEW, "dev.txt", revision="dev") and not api.file_exists(NEW, "dev.txt")
    api.create_tag(NEW, tag="v1", revision="dev")
    raises(HfHubHTTPError, lambda: api.create_tag(NEW, tag="v1"), 409)
    assert [tag.name for tag in api.list_repo_refs(NEW).tags] == ["v1"]
    api.delete_tag(NEW, tag="v1")
    api.delete_branch(NEW, branch="dev")


def rewrite_history():
    api.upload_file(repo_id=NEW, path_or_fileobj=os.urandom(2_000_000), path_in_repo="secret.bin")
    api.delete_file("secret.bin", NEW)
    secrets = [file for file in api.list_lfs_files(NEW) if file.filename == "secret.bin"]
    assert len(secrets) == 1
    api.permanently_delete_lfs_files(NEW, secrets)
    assert not any(file.filename == "secret.bin" for file in api.list_lfs_files(NEW))
    files = api.list_repo_files(NEW)
    api.super_squash_history(NEW, commit_message="all in one")
    assert [commit.title for commit in api.list_repo_commits(NEW)] == ["all in one"] and api.list_repo_files(NEW) == files


def move_repository():
    api.create_repo(f"{NEW}-old")
    api.upload_file(repo_id=f"{NEW}-old", path_or_fileobj=b"hello", path_in_repo="x.txt")
    api.move_repo(f"{NEW}-old", f"{NEW}-moved")
    for name in ["moved", "old"]:
        assert open(hf_hub_download(f"{NEW}-{name}", "x.txt"), "rb").read() == b"hello"
    assert api.model_info(f"{NEW}-old").id == f"{NEW}-moved"


def delete_repository():
    api.create_repo(f"{NEW}-gone")
    api.delete_repo(f"{NEW}-gone")
    assert not api.repo_exists(f"{NEW}-gone")


OPERATIONS = [
    whoami,
    model_info,
    download_snapshot,
    download_local_dir,
    download_file,
    errors,
    listings,
    file_system,
    create,
    upload_folder,
    upload_objects,
    copy_and_delete,
    parent_commit,
    branches_and_tags,
    rewrite_history,
    move_repository,
    delete_repository,
]

# Against what only reads: those up to the first that writes.
if len(sys.argv) > 4:
    OPERATIONS = OPERATIONS[: OPERATIONS.index(create)]

print(json.dumps({"version": __version__}), flush=True)
for operation in OPERATIONS:
    try:
        operation()
        error = None
    except Exception as failure:
        error = f"{type(failure).__name__}: {failure}"
    print(json.dumps({"operation": operation.__name__, "error": error}), flush=True)
