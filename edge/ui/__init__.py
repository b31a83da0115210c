"""The local web page: review of cases in a browser. It listens on 127.0.0.1 alone, and only while it runs."""
