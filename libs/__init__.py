"""Technical building blocks, without upload vocabulary: they would make sense in a project about invoices."""
