"""Test the logo: accepted pictures, storage and delivery."""

import re
from io import BytesIO

import pytest
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile
from PIL import Image

from tests.factories import WebChatFactory
from tests.webchat.test_webchats import GOOD

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]


def picture(kind="PNG", size=(40, 20), mode="RGB"):
    data = BytesIO()
    Image.new(mode, size).save(data, kind)
    return data.getvalue()


@pytest.fixture
def upload(log_in, django_capture_on_commit_callbacks):
    administrator = log_in("administrator")

    def send(webchat, content, name="logo.png", **fields):
        file = SimpleUploadedFile(name, content, "image/png")
        with django_capture_on_commit_callbacks(execute=True):
            response = administrator.post(
                f"/settings/webchat/{webchat.pk}/", GOOD | {"logo": file} | fields
            )
        webchat.refresh_from_db()
        return response

    return send


@pytest.mark.parametrize(
    ("kind", "content_type"), [("PNG", "image/png"), ("JPEG", "image/jpeg"), ("WEBP", "image/webp")]
)
def test_it_is_served_as_the_picture_it_is_and_as_nothing_else(upload, client, kind, content_type):
    webchat, content = WebChatFactory(), picture(kind)

    assert upload(webchat, content, name="../Jana Nováková.html").status_code == 302

    response = client.get(f"/w/{webchat.public_id}/logo/")
    assert response.getvalue() == content
    assert response["Content-Type"] == content_type
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert not response.cookies
    assert "Jana" not in webchat.logo.name
    assert client.head(f"/w/{webchat.public_id}/logo/").status_code == 200
    unchanged = client.get(
        f"/w/{webchat.public_id}/logo/", headers={"if-none-match": response["ETag"]}
    )
    assert unchanged.status_code == 304


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not a PNG, JPEG or WebP"),
        (b"<html><script>alert(1)</script>", "not a PNG, JPEG or WebP"),
        (picture("GIF"), "not a PNG, JPEG or WebP"),
        (picture()[:40], "not a PNG, JPEG or WebP"),
        (b"", "empty"),
        (picture() + b"x" * 200_000, "The limit is 200 kB"),
        (picture(size=(4097, 1)), "The limit is 4096 pixels"),
        (picture(size=(12000, 12000), mode="1"), "picture"),  # a small file with 144 million pixels
    ],
    ids=["svg", "html", "gif", "cut", "empty", "heavy", "wide", "bomb"],
)
def test_anything_else_is_refused_at_the_field(upload, client, content, reason, webchat):
    response = upload(webchat, content)

    assert response.status_code == 422
    error = re.search(r'id="id_logo_error">(.*?)</ul>', response.content.decode(), re.DOTALL)[1]
    assert reason in error
    assert not webchat.logo
    assert client.get(f"/w/{webchat.public_id}/logo/").status_code == 404


def test_a_replaced_or_removed_logo_leaves_no_file(upload, log_in, webchat):
    upload(webchat, picture())
    first = webchat.logo.name

    upload(webchat, picture("WEBP"))
    second = webchat.logo.name
    assert default_storage.exists(second)
    assert not default_storage.exists(first)

    upload(webchat, b"", remove_logo="on", logo="")
    assert not webchat.logo
    assert not default_storage.exists(second)


def test_saving_something_else_keeps_the_logo(upload, webchat):
    upload(webchat, picture())
    name = webchat.logo.name

    upload(webchat, b"", logo="", colour="#123456")

    assert webchat.logo.name == name
    assert default_storage.exists(name)


def test_a_logo_whose_file_is_gone_is_404(upload, client, webchat):
    upload(webchat, picture())
    default_storage.delete(webchat.logo.name)

    assert client.get(f"/w/{webchat.public_id}/logo/").status_code == 404
