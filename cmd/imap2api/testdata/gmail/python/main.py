"""Keeps a mailbox level by Google's own Python client of the Gmail API, as the guide to synchronising clients says:
a full sync first, by batches, then histories. For each line on standard input it syncs once and writes one line of
JSON: the labels of each message. A line with a change is carried out instead; then the labels in the answer are written."""

import base64
import json
import os
import sys

from google.oauth2.credentials import Credentials
from googleapiclient.discovery import build
from googleapiclient.errors import HttpError

ROOT = os.environ["GMAIL_ROOT"]
USER = os.environ["GMAIL_USER"]


def main():
    service = build("gmail", "v1", credentials=Credentials(token=os.environ["GMAIL_TOKEN"]), static_discovery=False,
                    discoveryServiceUrl=ROOT + "$discovery/rest?version={apiVersion}", cache_discovery=False)
    mailbox = Mailbox(service)
    mailbox.checks()
    for line in sys.stdin:
        if line.strip():
            print(json.dumps(mailbox.write(**json.loads(line))), flush=True)
            continue
        mailbox.sync()
        print(json.dumps(mailbox.messages), flush=True)


class Mailbox:
    def __init__(self, service):
        self.service, self.users = service, service.users()
        self.messages, self.history_id = None, ""

    def write(self, do, ids, add=(), remove=()):
        messages, body = self.users.messages(), {"addLabelIds": list(add), "removeLabelIds": list(remove)}
        if do == "batchModify":
            messages.batchModify(userId=USER, body={**body, "ids": ids}).execute()
            return {}
        more = {"body": body} if do == "modify" else {}
        message = getattr(messages, do)(userId=USER, id=ids[0], **more).execute()
        return {message["id"]: message.get("labelIds", [])}

    def sync(self):
        if self.messages is None:
            self.full()
        else:
            self.partial()

    def put(self, id, labels):
        self.messages[id] = sorted(set(labels))

    def full(self):
        self.history_id = self.users.getProfile(userId=USER).execute()["historyId"]
        self.messages = {}
        request = self.users.messages().list(userId=USER, maxResults=13, includeSpamTrash=True)
        while request is not None:
            page = request.execute()
            batch = self.service.new_batch_http_request(callback=self.got)
            for listed in page.get("messages", []):
                batch.add(self.users.messages().get(userId=USER, id=listed["id"], format="raw"))
            if page.get("messages"):
                batch.execute()
            request = self.users.messages().list_next(request, page)

    def got(self, request_id, message, error):
        if error is not None:
            raise error
        if len(base64.urlsafe_b64decode(message["raw"])) != message["sizeEstimate"]:
            raise ValueError(f"{message['id']} has another size")
        self.put(message["id"], message.get("labelIds", []))

    def partial(self):
        request = self.users.history().list(userId=USER, startHistoryId=self.history_id, maxResults=4)
        while request is not None:
            page = request.execute()
            for record in page.get("history", []):
                self.apply(record)
            request, last = self.users.history().list_next(request, page), page
        self.history_id = last["historyId"]

    def apply(self, record):
        for x in record.get("messagesAdded", []):
            self.put(x["message"]["id"], x["message"].get("labelIds", []))
        for x in record.get("messagesDeleted", []):
            self.messages.pop(x["message"]["id"], None)
        for x in record.get("labelsAdded", []):
            id = x["message"]["id"]
            self.put(id, self.messages[id] + x["labelIds"])
        for x in record.get("labelsRemoved", []):
            id = x["message"]["id"]
            self.put(id, set(self.messages[id]) - set(x["labelIds"]))

    def checks(self):
        """What a client meets besides: errors of the client's own type, a GET that comes as a POST."""
        try:
            self.users.messages().get(userId=USER, id="ffffffffffff").execute()
            raise ValueError("an unknown message was found")
        except HttpError as error:
            if error.status_code != 404:
                raise
        labels = ["INBOX"] * 300  # over 2048 characters
        self.users.messages().list(userId=USER, labelIds=labels, fields="messages(id),resultSizeEstimate").execute()


main()
