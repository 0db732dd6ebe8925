// The emulator of Google Cloud Storage, fake-gcs-server, on a port of 127.0.0.1, with what it lacks of the XML API: it takes no
// uploads there (https://github.com/fsouza/fake-gcs-server/issues/331). An upload becomes one of the JSON API, with the
// same condition.
package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"

	"github.com/fsouza/fake-gcs-server/fakestorage"
)

// toUpload is the upload of the JSON API that is the same as this one of the XML API, PUT /BUCKET/OBJECT.
func toUpload(request *http.Request, bucket, object string) *http.Request {
	query := url.Values{"uploadType": {"media"}, "name": {object}}
	if generation := request.Header.Get("x-goog-if-generation-match"); generation != "" {
		query.Set("ifGenerationMatch", generation)
	}
	upload := request.Clone(request.Context())
	upload.Method = http.MethodPost
	upload.URL = &url.URL{Path: "/upload/storage/v1/b/" + bucket + "/o", RawQuery: query.Encode()}
	return upload
}

// answer answers like the XML API: what the object has become is in headers, and why it was refused is XML.
func answer(writer http.ResponseWriter, uploaded *httptest.ResponseRecorder) {
	if uploaded.Code != http.StatusOK {
		code := map[int]string{http.StatusNotFound: "NoSuchBucket", http.StatusPreconditionFailed: "PreconditionFailed"}[uploaded.Code]
		writer.WriteHeader(uploaded.Code)
		fmt.Fprintf(writer, "<Error><Code>%s</Code></Error>", code)
		return
	}
	var object struct{ Etag, Generation string }
	if err := json.Unmarshal(uploaded.Body.Bytes(), &object); err != nil {
		http.Error(writer, err.Error(), http.StatusInternalServerError)
		return
	}
	writer.Header().Set("ETag", object.Etag)
	writer.Header().Set("x-goog-generation", object.Generation)
}

func withUploads(server http.Handler) http.Handler {
	return http.HandlerFunc(func(writer http.ResponseWriter, request *http.Request) {
		bucket, object, found := strings.Cut(strings.TrimPrefix(request.URL.Path, "/"), "/")
		if request.Method != http.MethodPut || !found {
			server.ServeHTTP(writer, request)
			return
		}
		uploaded := httptest.NewRecorder()
		server.ServeHTTP(uploaded, toUpload(request, bucket, object))
		answer(writer, uploaded)
	})
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func main() {
	server, err := fakestorage.NewServerWithOptions(fakestorage.Options{NoListener: true, Scheme: "http", PublicHost: "127.0.0.1"})
	check(err)
	check(http.ListenAndServe("127.0.0.1:"+os.Args[1], withUploads(server.HTTPHandler())))
}
