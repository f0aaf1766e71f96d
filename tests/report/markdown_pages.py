"""Reads Markdown as GitHub does, as far as tests need it: rendered to HTML, its tags, links and words."""

from html.parser import HTMLParser

from markdown_it import MarkdownIt

ALLOWED = frozenset((
    "h2", "h3", "p", "strong", "code", "pre", "blockquote", "br", "table", "thead", "tbody", "tr", "th", "td",
    "details", "summary",
))  # fmt: skip
"""The tags that kbatch's Markdown makes; a link, a picture or a script is none of them."""


class Page(HTMLParser):
    """The tags of a page with their attributes, and its words inside and outside code."""

    def __init__(self, markdown: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.attributes: set[str] = set()
        self.depth: list[str] = []
        self.plain: list[str] = []
        self.code: list[str] = []
        reader = MarkdownIt("commonmark", {"html": True, "linkify": False}).enable("table")
        self.feed(reader.render(markdown))
        self.close()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        """Take note of a tag."""
        self.tags.append(tag)
        self.attributes.update(name for name, _ in attributes)
        self.depth += [] if tag == "br" else [tag]

    def handle_endtag(self, tag: str) -> None:
        """Take note of an end; tags nest."""
        assert self.depth.pop() == tag

    def handle_data(self, data: str) -> None:
        """Take note of words."""
        (self.code if "code" in self.depth else self.plain).append(data)

    @property
    def words(self) -> str:
        """The words outside code."""
        return "".join(self.plain)
