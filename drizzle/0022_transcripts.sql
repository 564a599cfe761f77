CREATE TABLE `rag_segments` (
	`document_id` text NOT NULL,
	`place` integer NOT NULL,
	`segments` text NOT NULL,
	PRIMARY KEY(`document_id`, `place`)
);
