//! The connection string of an Azure storage account, as Azure's portal shows it.

use object_store::azure::AzureConfigKey;

/// What the string says. Empty if it is no such string.
pub(super) fn options(text: &str) -> impl Iterator<Item = (AzureConfigKey, String)> {
    let get = |wanted: &str| {
        let mut pairs = text.split(';').filter_map(|pair| pair.trim().split_once('='));
        pairs.find(|(name, _)| *name == wanted).map(|(_, value)| value.to_owned())
    };
    let account = get("AccountName");
    let of_cloud = || {
        let protocol = get("DefaultEndpointsProtocol").unwrap_or_else(|| "https".to_owned());
        Some(format!("{protocol}://{}.blob.{}", account.as_ref()?, get("EndpointSuffix")?))
    };
    let endpoint = get("BlobEndpoint").or_else(of_cloud);
    let options = [
        (AzureConfigKey::Endpoint, endpoint),
        (AzureConfigKey::AccountName, account),
        (AzureConfigKey::AccessKey, get("AccountKey")),
        (AzureConfigKey::SasKey, get("SharedAccessSignature")),
    ];
    options.into_iter().filter_map(|(key, value)| Some((key, value?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<(String, String)> {
        options(text).map(|(key, value)| (key.as_ref().to_owned(), value)).collect()
    }

    #[test]
    fn a_string_has_account_and_key_and_says_in_which_cloud_they_are() {
        let pair = |name: &str, value: &str| (format!("azure_storage_{name}"), value.to_owned());
        let portal = "DefaultEndpointsProtocol=https;AccountName=games;AccountKey=a2V5==;EndpointSuffix=core.chinacloudapi.cn";
        let endpoint = pair("endpoint", "https://games.blob.core.chinacloudapi.cn");
        assert_eq!(read(portal), [endpoint, pair("account_name", "games"), pair("account_key", "a2V5==")]);
        let signed = "BlobEndpoint=https://games.blob.core.windows.net/; SharedAccessSignature=sv=1&sig=x%3D";
        let endpoint = pair("endpoint", "https://games.blob.core.windows.net/");
        assert_eq!(read(signed), [endpoint, pair("sas_key", "sv=1&sig=x%3D")]);
        assert_eq!(read("AccountName=games"), [pair("account_name", "games")]);
        assert_eq!(read("nonsense"), []);
    }
}
