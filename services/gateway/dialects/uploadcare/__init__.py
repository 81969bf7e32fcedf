"""The Uploadcare API: acceptance rows U-01 to U-46 and U-E01 to U-E90, part 2.4 and decisions of part 3.

Parameters come in the query, urlencoded or as multipart form data, all merged; paths work with and without the slash at their
end and with doubled ones. Errors have one of 90 published codes (`errors`), as JSON with the real status, with HTTP 200 where
`jsonerrors=1` asks for it, or as text.
"""
