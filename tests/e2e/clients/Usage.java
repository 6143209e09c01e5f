// What a Java program does with OpenAPI Generator's client, besides what the page's program does.

import client.ApiClient;
import client.ApiException;
import client.api.PoliciesApi;
import client.api.UploadsApi;
import client.model.BatchResult;
import client.model.CompletedUpload;
import client.model.CreateUpload;
import client.model.CreateUpload.MethodEnum;
import client.model.CreateUploads;
import client.model.Problem;
import client.model.Upload;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

public class Usage {
  private static final ObjectMapper MAPPER = ApiClient.createDefaultObjectMapper();

  public static void main(String[] arguments) throws Exception {
    String baseUrl = arguments[0];
    String token = arguments[1];
    Path file = Path.of(arguments[2]);
    CompletedUpload completed = Uploader.upload(baseUrl, token, file);
    Map<String, Object> printed =
        Map.of(
            "completed", completed,
            "refusal", refusal(baseUrl, file),
            "batch", batch(bearer(baseUrl, token)),
            "max_size", maxSize(bearer(baseUrl, token)));
    System.out.println(MAPPER.writeValueAsString(printed));
  }

  private static ApiClient bearer(String baseUrl, String token) {
    ApiClient client = new ApiClient();
    client.updateBaseUri(baseUrl);
    client.setRequestInterceptor(request -> request.header("Authorization", "Bearer " + token));
    return client;
  }

  /** Says why a made-up token is refused. */
  private static String refusal(String baseUrl, Path file) throws Exception {
    try {
      Uploader.upload(baseUrl, "made.up.token", file);
      return "none";
    } catch (ApiException error) {
      return MAPPER.readValue(error.getResponseBody(), Problem.class).getDetail();
    }
  }

  /** Creates an upload by each method, and one that is refused; names the types of what came of them. */
  private static List<String> batch(ApiClient client) throws ApiException {
    CreateUploads wanted = new CreateUploads();
    for (MethodEnum method : List.of(MethodEnum.PUT, MethodEnum.POST, MethodEnum.MULTIPART)) {
      wanted.addUploadsItem(new CreateUpload().size(1L).method(method));
    }
    wanted.addUploadsItem(new CreateUpload().method(MethodEnum.PUT));
    List<String> found = new ArrayList<>();
    for (BatchResult result : new UploadsApi(client).createUploads(wanted).getResults()) {
      Upload upload = result.getUpload();
      found.add(
          upload == null
              ? result.getProblem().getCode().getValue()
              : upload.getActualInstance().getClass().getSimpleName());
    }
    return found;
  }

  private static long maxSize(ApiClient client) throws ApiException {
    return new PoliciesApi(client).listPolicies().getPolicies().get(0).getMaxSize();
  }
}
