"""What mkdocs does beside the theme: the notebook and the tables of benchmarks/ as pages, with no further package."""

import json
import re
from pathlib import Path

from mkdocs.structure.files import File

ROOT = Path(__file__).parents[1]
PAGES = {"tutorial.md": "docs/tutorial.ipynb", "results.md": "benchmarks/RESULTS.md", "notes.md": "benchmarks/NOTES.md"}
WHERE = {"tutorial.ipynb": "tutorial.md"} | {f"../{PAGES[page]}": page for page in ("results.md", "notes.md")}


def on_files(files, config):
    """Adds the generated pages."""
    for name, source in PAGES.items():
        text = (ROOT / source).read_text(encoding="utf-8")
        files.append(File.generated(config, name, content=notebook_page(text) if source.endswith("ipynb") else text))
    return files


def on_page_markdown(markdown, page, config, files):
    """Links to files that stand elsewhere in the repository, as links to their pages."""
    return re.sub(r"\]\(([^)#]+)\)", lambda link: f"]({WHERE.get(link[1], link[1])})", markdown)


def notebook_page(text: str) -> str:
    """A notebook as Markdown: its words, its code, and what the code printed and drew."""
    parts = []
    for cell in json.loads(text)["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            parts.append(source)
            continue
        parts.append(f"```python\n{source}\n```")
        parts += map(_output, cell["outputs"])
    return "\n\n".join(parts) + "\n"


def _output(output):
    if output["output_type"] == "stream":
        return f"```text\n{''.join(output['text']).rstrip()}\n```"
    data = output["data"]
    if "image/png" in data:
        return f"![what the cell draws](data:image/png;base64,{''.join(data['image/png']).replace(chr(10), '')})"
    return f"```text\n{''.join(data['text/plain'])}\n```"
