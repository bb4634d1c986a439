package install

import "testing"

func TestAdvertisedAddresses(t *testing.T) {
	for address, good := range map[string]bool{
		"": true, "fleet.example.com": true, "Fleet.Example.com": true, "fleet.example.com:6443": true, "10.0.0.1": true, "10.0.0.1:6443": true, "2001:db8::1": true, "[2001:db8::1]:6443": true,
		"https://fleet.example.com": false, "fleet.example.com:": false, "fleet.example.com:0": false, "fleet.example.com:70000": false,
		"fleet.example.com:https": false, "fleet.example.com/path": false, "user@fleet.example.com": false, "a b": false, ":6443": false,
	} {
		if err := checkAdvertised(address); (err == nil) != good {
			t.Errorf("%q: %v", address, err)
		}
	}
}
