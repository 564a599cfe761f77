"""
An import server as one would write it with FastAPI and SQLAlchemy: a background task, the ORM, a commit every 100 cards. With `flush`
as its second argument each card is flushed by itself, so that one the database refuses fails alone; without, a hundred go together.
"""
import re
import socket
import sys
import threading
import uuid
from datetime import datetime
from typing import Any, Dict, List, Optional

import uvicorn
from fastapi import BackgroundTasks, FastAPI
from pydantic import BaseModel, Field
from sqlalchemy import JSON, Boolean, Column, DateTime, Numeric, String, Text, create_engine, event
from sqlalchemy.orm import declarative_base, sessionmaker

FLUSH = sys.argv[2:] == ["flush"]
engine = create_engine(f"sqlite:///{sys.argv[1]}/cards.db", connect_args={"check_same_thread": False})


@event.listens_for(engine, "connect")
def as_durable_as_the_other(connection, _record):
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")


Session = sessionmaker(bind=engine)
Base = declarative_base()


class Card(Base):
    __tablename__ = "cards"
    id = Column(String, primary_key=True)
    owner = Column(String, index=True)
    title = Column(String(1000))
    body = Column(Text)
    category = Column(String)
    privacy_level = Column(String)
    tags = Column(JSON)
    source_platform = Column(String)
    source_url = Column(String)
    extra = Column("metadata", JSON)
    is_published = Column(Boolean)
    slug = Column(String, unique=True)
    created_at = Column(DateTime)


class Token(Base):
    __tablename__ = "ledger"
    id = Column(String, primary_key=True)
    owner = Column(String, index=True)
    card_id = Column(String)
    amount = Column(Numeric(20, 8))


Base.metadata.create_all(engine)


class NewCard(BaseModel):
    title: str = Field(min_length=1, max_length=1000)
    body: str
    category: str
    privacy_level: str
    tags: List[str] = []
    source_platform: Optional[str] = None
    source_url: Optional[str] = None
    metadata: Dict[str, Any] = {}


class Import(BaseModel):
    cards: List[NewCard]
    publish_business: bool = True
    publish_ideas: bool = True


app = FastAPI()
tasks: Dict[str, dict] = {}


def run_import(task_id: str, request: Import) -> None:
    session = Session()
    imported = 0
    for index, new in enumerate(request.cards):
        level = new.privacy_level.upper()
        publish = (level == "BUSINESS" and request.publish_business) or (level == "IDEAS" and request.publish_ideas)
        card = Card(
            id=str(uuid.uuid4()),
            owner="local",
            title=new.title,
            body=new.body,
            category=new.category,
            privacy_level=new.privacy_level,
            tags=new.tags,
            source_platform=new.source_platform,
            source_url=new.source_url,
            extra=new.metadata,
            is_published=publish,
            slug=re.sub(r"[^a-z0-9]+", "-", new.title.lower())[:60] + "-" + uuid.uuid4().hex[:8] if publish else None,
            created_at=datetime.utcnow(),
        )
        session.add(card)
        if publish:
            session.add(Token(id=str(uuid.uuid4()), owner="local", card_id=card.id, amount=1))
        if FLUSH:
            session.flush()
        imported += 1
        if (index + 1) % 100 == 0:
            session.commit()
            tasks[task_id] = {"status": "STARTED", "result": {"cards_imported": imported}}
    session.commit()
    tasks[task_id] = {"status": "SUCCESS", "result": {"cards_imported": imported}}


@app.post("/bulk/import")
def bulk_import(request: Import, background: BackgroundTasks):
    task_id = str(uuid.uuid4())
    tasks[task_id] = {"status": "PENDING"}
    background.add_task(run_import, task_id, request)
    return {"task_id": task_id, "status": "PENDING"}


@app.get("/bulk/status/{task_id}")
def status(task_id: str):
    return {"task_id": task_id, **tasks[task_id]}


listener = socket.socket()
listener.bind(("127.0.0.1", 0))
server = uvicorn.Server(uvicorn.Config(app, log_level="error"))


def announce() -> None:
    while not server.started:
        threading.Event().wait(0.05)
    print(f"http://127.0.0.1:{listener.getsockname()[1]}", flush=True)


threading.Thread(target=announce, daemon=True).start()
server.run(sockets=[listener])
