"""From definitions to SQL: the kernel's, the tables', the reader's and the recount's, all from the same expressions."""
