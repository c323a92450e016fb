"""Settings > WebChat > Forms: the menus, the consent editor, publication and published versions."""

from __future__ import annotations

from typing import Any, NamedTuple

from django.conf import settings
from django.contrib import messages
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.functional import cached_property
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from lib.pages import StaffPage
from webchat import figures, services, slots
from webchat.comparison import differences
from webchat.consent_html import DraftText
from webchat.forms import ConsentForm, MenusForm, PreviewForm, RetireForm
from webchat.models import ConsentVersion, DataController, TextKind, WebChat
from webchat.setting_changes import NotRecorded
from webchat.views.base import MANAGE, PUBLISH, may_read
from webchat.widgets import editor_media


class SlotLine(NamedTuple):
    """A slot as it is written, and the words that would fill it now."""

    slot: str
    words: str


class FormsPage(StaffPage):
    """The Forms page of a WebChat. After a refusal it is shown again with what was typed.

    Staff members with ``see_settings`` may read the pages that are ``readable``.
    """

    http_method_names = ["get", "head", "post"]
    any_permission: tuple[str, ...] = (MANAGE, PUBLISH)
    readable = True
    kind: str = TextKind.CONSENT

    def has_permission(self) -> bool:
        return (self.readable and may_read(self.request)) or super().has_permission()

    @cached_property
    def webchat(self) -> WebChat:
        return get_object_or_404(WebChat, pk=self.kwargs["pk"])

    def render(self, template: str, *, status: int = 200, **context: Any) -> HttpResponse:
        """Render a template with what all of these pages show, and with ``context``."""
        context |= {
            "webchat": self.webchat,
            "tab": self.tab,
            "is_notice": self.kind == TextKind.NOTICE,
            "editor_url": self.editor_url,
            "publish_url": reverse(f"{self.kind}_publish", args=[self.webchat.pk]),
        }
        return render(self.request, f"webchat/{template}", context, status=status)

    @property
    def tab(self) -> str:
        return "notice" if self.kind == TextKind.NOTICE else "forms"

    @property
    def editor_url(self) -> str:
        """Return the URL of the page with the editor of this kind of text."""
        name = "webchat_notice" if self.kind == TextKind.NOTICE else "webchat_forms"
        return reverse(name, args=[self.webchat.pk])

    def versions(self, **chosen: Any) -> list[ConsentVersion]:
        """Return the published versions, the newest first, each with its ``session_count``."""
        published = (
            self.webchat.consent_versions.filter(kind=self.kind)
            .select_related("published_by", "retirement__retired_by")
            .prefetch_related("texts")
        )
        versions = list(published.filter(**chosen).order_by("-number"))
        holding = figures.holding(versions) if versions else {}
        for version in versions:
            version.session_count = holding.get(version.pk, 0)  # type: ignore[attr-defined]
        return versions

    def show(
        self,
        *,
        menus: MenusForm | None = None,
        editor: ConsentForm | None = None,
        status: int = 200,
        **context: Any,
    ) -> HttpResponse:
        """Render the page. ``menus`` or ``editor`` replace the newly created forms."""
        editor = editor or ConsentForm(webchat=self.webchat, kind=self.kind)
        outdated = services.outdated_versions([self.webchat])
        return self.render(
            "forms.html",
            status=status,
            slots=self._slots(),
            outdated=[version for version in outdated if version.kind == self.kind],
            menus=menus or MenusForm(instance=self.webchat),
            editor=editor,
            editor_media=editor_media(nonce=self.request.csp_nonce),  # type: ignore[attr-defined]
            versions=self.versions(),
            **context,
        )

    def _slots(self) -> list[SlotLine]:
        """Return each slot with the words that fill it now, in the default language."""
        values = slots.values_for(self.webchat, DataController.current())
        language = self.webchat.first_language
        return [
            SlotLine(f"{{{slot}}}", slots.words_of(slot, values[slot], language))
            for slot in slots.SLOTS
        ]


class FormsView(FormsPage):
    """Show the page, and save the two menus together. This view never publishes anything."""

    def get(self, request: HttpRequest, pk: int) -> HttpResponse:
        return self.show()

    def post(self, request: HttpRequest, pk: int) -> HttpResponseBase:
        if not request.user.has_perm(MANAGE):
            return self.handle_no_permission()
        menus = MenusForm(request.POST, instance=self.webchat)
        if not menus.is_valid():
            return self.show(menus=menus, status=422)
        try:
            services.save_settings(
                self.webchat,
                changes=menus.changes,
                by=self.staff,
                none_confirmed=menus.cleaned_data["confirm_none"],
            )
        except services.NothingPublished as refusal:
            menus.refuse_gdpr(str(refusal))
            return self.show(menus=menus, status=422)
        except NotRecorded as refusal:
            menus.add_error(None, str(refusal))
            return self.show(menus=menus, status=503)
        said = [
            _("%(menu)s: %(choice)s.") % {"menu": menu, "choice": choice}
            for menu, choice in menus.chosen
        ]
        messages.success(request, " ".join(said))
        return redirect("webchat_forms", self.webchat.pk)


class NoticeView(FormsPage):
    """Show the editor of the privacy notice and its published versions."""

    kind = TextKind.NOTICE
    http_method_names = ["get", "head"]

    def get(self, request: HttpRequest, pk: int) -> HttpResponse:
        return self.show()


class PreviewText(NamedTuple):
    """An unpublished text with the same attributes as a published one, for the visitor's form."""

    language: str
    label: str
    body: str
    version: dict[str, Any]
    get_absolute_url: str = "#full-text"


class PublishView(FormsPage):
    """Handle the editor's buttons.

    ``act`` is preview, review, publish, or edit, which returns to the editor. Returns 422 if the
    publication is refused and 409 if a newer version was published. What was typed is always kept.
    """

    any_permission = (PUBLISH,)
    readable = False

    def get(self, request: HttpRequest, pk: int) -> HttpResponse:
        return redirect(self.editor_url)

    def post(self, request: HttpRequest, pk: int) -> HttpResponse:
        act, _colon, language = request.POST.get("act", "").partition(":")
        if act not in {"preview", "review", "publish"}:
            return self.show(editor=self._editor_with_typed())
        form = ConsentForm(request.POST, webchat=self.webchat, kind=self.kind)
        if not form.is_valid():
            return self.show(editor=form, status=422)
        try:
            if act == "publish":
                return self._publish(form)
            return self._preview(form, language) if act == "preview" else self._review(form)
        except services.NewerVersionExists as refusal:
            return self._conflict(form, refusal.version)
        except services.TextsDiffer as refusal:
            return self._review(form, notice=str(refusal), status=409)
        except services.PublicationRefused as refusal:
            form.add_error(None, str(refusal))
            return self.show(editor=form, status=422)
        except NotRecorded as refusal:
            form.add_error(None, str(refusal))
            return self.show(editor=form, status=503)

    def _editor_with_typed(self, **changed: Any) -> ConsentForm:
        """Return the editor with the submitted values, without validation."""
        bound = ConsentForm(self.request.POST, webchat=self.webchat, kind=self.kind)
        unticked = {name: False for name in bound.fields if name.startswith("also_")}
        initial = unticked | bound.typed | changed
        return ConsentForm(webchat=self.webchat, kind=self.kind, initial=initial)

    def _preview(self, form: ConsentForm, language: str) -> HttpResponse:
        texts = services.fill_texts(self.webchat, services.clean_texts(form.texts))
        wished = (language, self.webchat.default_language, *texts)
        language = next(code for code in wished if code in texts)
        number = form.next_number
        text = PreviewText(
            language,
            texts[language].label,
            texts[language].body,
            {"number": number, "kind": self.kind},
        )
        return self.render(
            "consent_preview.html",
            form=PreviewForm(),
            draft=form,
            text=text,
            number=number,
            languages=_named(texts),
        )

    def _review(self, form: ConsentForm, *, notice: str = "", status: int = 200) -> HttpResponse:
        publication = services.prepare_publication(
            self.webchat,
            texts=form.texts,
            based_on=form.cleaned_data["based_on"],
            kind=self.kind,
        )
        return self.render(
            "consent_review.html",
            status=status,
            draft=form,
            publication=publication,
            differences=differences(services.texts_of(publication.current), publication.texts),
            texts=publication.rows,
            promises_end=_promises_end(publication),
            notice=notice,
        )

    def _publish(self, form: ConsentForm) -> HttpResponse:
        version = services.publish_consent(
            self.webchat,
            texts=form.texts,
            based_on=form.cleaned_data["based_on"],
            published_by=self.staff,
            shown=self.request.POST.get("shown", ""),
            kind=self.kind,
        )
        count = version.texts.count()
        message = ngettext(
            "Version %(number)d was published in %(count)d language.",
            "Version %(number)d was published in %(count)d languages.",
            count,
        )
        messages.success(self.request, message % {"number": version.number, "count": count})
        if self.kind == TextKind.CONSENT and not self.webchat.uses_gdpr:
            advice = _(
                "Visitors are not asked for this consent yet. Choose GDPR under “Before the conversation”."
            )
            messages.warning(self.request, advice)
        return redirect(self.editor_url)

    def _conflict(self, form: ConsentForm, newer: ConsentVersion) -> HttpResponse:
        """Show the differences from the newer version, and an editor that is based on it."""
        return self.show(
            editor=self._editor_with_typed(based_on=newer.number),
            status=409,
            newer=newer,
            differences=differences(
                services.texts_of(newer),
                services.fill_texts(self.webchat, services.clean_texts(form.texts)),
            ),
        )


def _promises_end(publication: services.Publication) -> bool:
    """Return whether the texts say how long data is kept, although no retention period is set."""
    filled_from = publication.version.filled_from or {}
    return "retention" in filled_from and filled_from["retention"] is None


def _named(texts: dict[str, DraftText]) -> list[tuple[str, Any]]:
    return [(code, name) for code, name in settings.LANGUAGES if code in texts]


class VersionView(FormsPage):
    """Show one published version: its exact texts and the differences from an earlier version."""

    def get(self, request: HttpRequest, pk: int, number: int) -> HttpResponse:
        version = next(iter(self.versions(number=number)), None)
        if version is None:
            raise Http404
        version.webchat = self.webchat
        published = self.webchat.consent_versions.filter(kind=self.kind)
        earlier = published.filter(number__lt=version.number)
        against = self._chosen(earlier)
        return self.render(
            "consent_version.html",
            version=version,
            texts=version.texts_in_order,
            languages=dict(settings.LANGUAGES),
            earlier=earlier,
            previous=earlier.first(),
            next=published.filter(number__gt=version.number).last(),
            open_sessions=figures.open_sessions(version) if version.is_retired else [],
            against=against,
            differences=differences(services.texts_of(against), services.texts_of(version))
            if against
            else [],
        )

    def _chosen(self, earlier: QuerySet[ConsentVersion]) -> ConsentVersion | None:
        """Return the version in the query string, or the previous one; None for the first version.

        Raises:
            Http404: The query string names no earlier version.
        """
        asked = self.request.GET.get("against", "")
        if not asked:
            return earlier.first()
        if not (asked.isascii() and asked.isdecimal() and len(asked) < 10):
            raise Http404
        return get_object_or_404(earlier, number=int(asked))


class RetireView(FormsPage):
    """Ask for a reason and a confirmation, then retire a published version.

    Returns 302 if it is retired, also if it was before, 422 without a reason, and 503 if the change
    cannot be recorded.
    """

    any_permission = (PUBLISH,)
    readable = False

    def get(self, request: HttpRequest, pk: int, number: int) -> HttpResponse:
        return self._ask(self._version(number), RetireForm())

    def post(self, request: HttpRequest, pk: int, number: int) -> HttpResponse:
        version, form = self._version(number), RetireForm(request.POST)
        if not form.is_valid():
            return self._ask(version, form, status=422)
        try:
            services.retire_version(version, reason=form.cleaned_data["reason"], by=self.staff)
        except NotRecorded as refusal:
            form.add_error(None, str(refusal))
            return self._ask(version, form, status=503)
        message = _("Version %(number)d is retired.") % {"number": version.number}
        messages.success(request, message)
        return redirect(version)

    def _version(self, number: int) -> ConsentVersion:
        versions = self.webchat.consent_versions.filter(kind=self.kind)
        return get_object_or_404(versions, number=number)

    def _ask(self, version: ConsentVersion, form: RetireForm, *, status: int = 200) -> HttpResponse:
        return self.render(
            "consent_retire.html",
            status=status,
            version=version,
            form=form,
            is_current=version == self.webchat.current_version(self.kind),
            open_sessions=figures.open_sessions(version),
        )
