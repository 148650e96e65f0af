// SPDX-License-Identifier: Apache-2.0
package dev.sluice.topology;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

final class HostAndPortTest {

    @ParameterizedTest
    @CsvSource({
        "daq.example:7000, daq.example, 7000",
        "192.0.2.1:0, 192.0.2.1, 0",
        "[::1]:65535, ::1, 65535",
        "[fe80::1%eth0]:1, fe80::1%eth0, 1"
    })
    void whatUsersWriteIsReadAndWrittenTheSame(String text, String host, int port) {
        assertThat(HostAndPort.parse(text))
                .isEqualTo(new HostAndPort(host, port))
                .hasToString(text);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "host",
                "host:",
                ":7000",
                "host:65536",
                "host:-1",
                "::1:7000",
                "[::1]",
                "[]:1",
                "a b:1",
                "h:1 "
            })
    void anythingElseIsNoAddress(String text) {
        assertThat(HostAndPort.parse(text)).isNull();
    }
}
