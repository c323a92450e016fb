// Turns every <textarea data-consent-editor> into a rich-text editor. Without this script, the
// textarea remains. The editor can write exactly what webchat/consent_html.py keeps. Change both
// together.

const textareas = document.querySelectorAll("textarea[data-consent-editor]");
const words = textareas.length ? JSON.parse(textareas[0].dataset.consentEditor) : {};
const translate = (text) => words[text] ?? text;
const SAFE_HREF = /^(https?:\/\/|mailto:|tel:)[^\x00-\x20]+$/i;

if (textareas.length) {
  // The editor's dialogs call gettext when the module below is loaded.
  window.gettext ??= translate;
  const editor = await import("django-prose-editor/editor");
  const extensions = makeExtensions(editor);
  for (const textarea of textareas) {
    makeEditor(editor, extensions, textarea);
  }
}

function makeExtensions({
  Document, Paragraph, Text, Heading, Bold, Italic, Underline, BulletList, OrderedList, ListItem, Blockquote,
  HorizontalRule, HardBreak, Link, History, Menu, Dropcursor, Gapcursor, updateAttrsDialog,
}) {
  const linkDialog = updateAttrsDialog(
    { href: { type: "string", title: translate("Address (https://…, mailto:… or tel:…)"), required: true } },
    { title: translate("Link") },
  );
  const SafeLink = Link.extend({
    addCommands() {
      return {
        ...this.parent?.(),
        addLink: () => ({ editor }) => {
          linkDialog(editor, editor.getAttributes("link")).then((attributes) => setLink(editor, attributes));
        },
      };
    },
  }).configure({
    autolink: false,
    linkOnPaste: true,
    isAllowedUri: (url) => SAFE_HREF.test(url ?? ""),
  });

  return [
    Document, Paragraph, Text, Bold, Italic, Underline, BulletList, ListItem, Blockquote, HorizontalRule, HardBreak,
    History, Dropcursor, Gapcursor, SafeLink,
    Heading.configure({ levels: [2, 3] }),
    OrderedList.extend({ addAttributes: () => ({}), addNodeView: null }).configure({ enableListAttributes: false }),
    Menu.configure({
      groups: ["blockType -lists", "lists", "nodes -blockType -lists", "marks", "link", "history"].map((group) => ({
        group,
      })),
    }),
  ];
}

function setLink(editor, attributes) {
  let href = (attributes?.href ?? "").trim();
  if (/^[^\s@:/]+@[^\s@:/]+$/.test(href)) {
    href = `mailto:${href}`;
  } else if (href && !/^[a-z][a-z0-9+.-]*:/i.test(href)) {
    href = `https://${href}`;
  }
  if (SAFE_HREF.test(href)) {
    editor.chain().focus().extendMarkRange("link").setMark("link", { href }).run();
  }
}

function makeEditor({ Editor }, extensions, textarea) {
  const editable = !textarea.disabled && !textarea.readOnly;
  const frame = document.createElement("div");
  frame.className = `prose-editor consent-editor${editable ? "" : " disabled"}`;
  textarea.before(frame);
  frame.append(textarea);

  let written = textarea.value;
  const editor = new Editor({
    element: frame,
    editable,
    extensions,
    content: written,
    injectCSS: false,
    editorProps: { attributes: accessibleAttributes(textarea), transformPastedHTML: withoutStyles },
    onUpdate() {
      written = editor.isEmpty ? "" : editor.getHTML();
      textarea.value = written;
      textarea.dispatchEvent(new Event("input", { bubbles: true }));
    },
  });
  // When a browser goes back, it may fill the textarea again after the editor was created.
  window.addEventListener("pageshow", () => {
    if (textarea.value !== written) {
      written = textarea.value;
      editor.commands.setContent(written, { emitUpdate: false });
    }
  });
  for (const label of textarea.labels) {
    label.addEventListener("click", () => editor.commands.focus());
  }
  whenCreated(editor, () => finishToolbar(editor, frame, textarea));
}

// The content security policy blocks styles and handlers of pasted text anyway, with a console
// error for each. The server cleans the stored text. Google Docs wraps everything in a <b> that is
// not bold.
function withoutStyles(html) {
  return html
    .replace(/<(style|script)\b[\s\S]*?<\/\1\s*>/gi, "")
    .replace(/<b\s[^>]*font-weight:\s*(normal|400)[^>]*>/gi, "<span>")
    .replace(/<[a-z][^>]*>/gi, (tag) =>
      tag.replace(/[\s"'/](style|class|on[a-z]+)\s*=\s*("[^"]*"|'[^']*'|[^\s>]+)/gi, " "),
    );
}

function accessibleAttributes(textarea) {
  const attributes = { role: "textbox", "aria-multiline": "true", class: "consent-text" };
  for (const name of ["aria-label", "aria-labelledby", "aria-describedby", "aria-invalid", "aria-required", "lang"]) {
    if (textarea.hasAttribute(name)) {
      attributes[name] = textarea.getAttribute(name);
    }
  }
  const label = textarea.labels[0];
  if (label && !attributes["aria-label"] && !attributes["aria-labelledby"]) {
    label.id ||= `${textarea.id}_label`;
    attributes["aria-labelledby"] = label.id;
  }
  return attributes;
}

function whenCreated(editor, finish) {
  if (editor.isInitialized) {
    finish();
  } else {
    editor.on("create", finish);
  }
}

// Translates the toolbar, exposes the states of its buttons, and makes it one Tab stop (arrow keys
// move inside).
function finishToolbar(editor, frame, textarea) {
  const toolbar = frame.querySelector(".prose-menubar");
  const buttons = [...toolbar.querySelectorAll("button")];
  toolbar.setAttribute("role", "toolbar");
  toolbar.setAttribute("aria-label", translate("Formatting"));
  if (textarea.id) {
    editor.view.dom.id = `${textarea.id}_editor`;
    toolbar.setAttribute("aria-controls", editor.view.dom.id);
  }
  for (const button of buttons) {
    button.title = translate(button.title);
    button.setAttribute("aria-label", button.title);
    button.tabIndex = -1;
    button.addEventListener("focus", () => moveStop(buttons, button));
  }
  moveStop(buttons, buttons[0]);
  toolbar.addEventListener("keydown", (event) => {
    const visible = buttons.filter((button) => !button.classList.contains("hidden"));
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (step) {
      event.preventDefault();
      visible.at((visible.indexOf(document.activeElement) + step) % visible.length).focus();
    }
  });
  const tellStates = () => {
    for (const button of buttons) {
      button.setAttribute("aria-pressed", button.classList.contains("active"));
      button.setAttribute("aria-disabled", button.classList.contains("disabled"));
    }
  };
  editor.on("transaction", tellStates);
  tellStates();
}

function moveStop(buttons, current) {
  for (const button of buttons) {
    button.tabIndex = button === current ? 0 : -1;
  }
}
