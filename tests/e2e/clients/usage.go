// What a Go program does with OpenAPI Generator's client, besides what the page's program does.

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"os"

	"example.com/app/client"
)

func main() {
	baseURL, token, path := os.Args[1], os.Args[2], os.Args[3]
	completed, err := Upload(baseURL, token, path)
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.WithValue(context.Background(), client.ContextAccessToken, token)
	results, err := batch(ctx, bearer(baseURL))
	if err != nil {
		log.Fatal(err)
	}
	policies, _, err := bearer(baseURL).PoliciesAPI.ListPolicies(ctx).Execute()
	if err != nil {
		log.Fatal(err)
	}
	printed, err := json.Marshal(map[string]interface{}{
		"completed": completed,
		"refusal":   refusal(baseURL, path),
		"batch":     results,
		"max_size":  policies.Policies[0].MaxSize,
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(string(printed))
}

func bearer(baseURL string) *client.APIClient {
	configuration := client.NewConfiguration()
	configuration.Servers = client.ServerConfigurations{{URL: baseURL}}
	return client.NewAPIClient(configuration)
}

// refusal says why a made-up token is refused.
func refusal(baseURL, path string) string {
	_, err := Upload(baseURL, "made.up.token", path)
	var answered *client.GenericOpenAPIError
	if errors.As(err, &answered) {
		if problem, ok := answered.Model().(client.Problem); ok {
			return problem.Detail
		}
	}
	return fmt.Sprint(err)
}

// batch creates an upload by each method, and one that is refused; it names the types of what came of them.
func batch(ctx context.Context, api *client.APIClient) ([]string, error) {
	var size int64 = 1
	var wanted []client.CreateUpload
	for _, method := range []string{"put", "post", "multipart"} {
		wanted = append(wanted, client.CreateUpload{Size: &size, Method: client.PtrString(method)})
	}
	wanted = append(wanted, client.CreateUpload{Method: client.PtrString("put")})
	body := *client.NewCreateUploads(wanted)
	created, _, err := api.UploadsAPI.CreateUploads(ctx).CreateUploads(body).Execute()
	if err != nil {
		return nil, err
	}
	var found []string
	for _, result := range created.Results {
		if result.Problem != nil {
			found = append(found, string(result.Problem.Code))
			continue
		}
		switch result.Upload.GetActualInstance().(type) {
		case *client.PutUpload:
			found = append(found, "PutUpload")
		case *client.PostUpload:
			found = append(found, "PostUpload")
		case *client.MultipartUpload:
			found = append(found, "MultipartUpload")
		}
	}
	return found, nil
}
