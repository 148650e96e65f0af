// SPDX-License-Identifier: Apache-2.0
package dev.sluice.topology;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.sluice.RandomCases;
import java.math.BigInteger;
import java.net.Inet6Address;
import java.net.InetAddress;
import java.util.Objects;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

final class CidrTest {

    private static Cidr cidr(String text) {
        return Objects.requireNonNull(Cidr.parse(text), text);
    }

    private static InetAddress address(String literal) {
        return InetAddress.ofLiteral(literal);
    }

    @ParameterizedTest
    @CsvSource({
        "192.0.2.0/24, 192.0.2.0/24",
        "0.0.0.0/0, 0.0.0.0/0",
        "255.255.255.255, 255.255.255.255/32",
        "10.0.0.0/8, 10.0.0.0/8",
        "192.0.2.1/32, 192.0.2.1/32",
        "::1/128, 0:0:0:0:0:0:0:1/128",
        "::1, 0:0:0:0:0:0:0:1/128",
        "::, 0:0:0:0:0:0:0:0/128",
        "::/0, 0:0:0:0:0:0:0:0/0",
        "2001:DB8::/32, 2001:db8:0:0:0:0:0:0/32",
        "1:2:3:4:5:6:7:8, 1:2:3:4:5:6:7:8/128",
        "64:ff9b::192.0.2.1, 64:ff9b:0:0:0:0:c000:201/128",
        "::ffff:192.0.2.0/120, 192.0.2.0/24",
        "::ffff:c000:201, 192.0.2.1/32",
        "::ffff:0:0/96, 0.0.0.0/0",
    })
    void aNetworkOrAnAddressIsRead(String text, String meant) {
        assertThat(cidr(text)).hasToString(meant);
        assertThat(Cidr.problem(text)).isEmpty();
        assertThat(cidr(meant)).isEqualTo(cidr(text));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                " ",
                "/",
                "/24",
                "localhost",
                "daq.example/24",
                "192.0.2",
                "192.0.2.0.0",
                "192.0.2.256",
                "192.0.2.-1",
                "192.0.2.+1",
                "192.0..1",
                ".192.0.2.1",
                "192.0.2.1.",
                "010.0.0.1",
                "10.0.0.01",
                "0x7f.0.0.1",
                "2130706433",
                "127.1",
                "1",
                "192.0.2.1 ",
                " 192.0.2.1",
                "192.0.2.1\n",
                "192.0.2.0/",
                "192.0.2.0/33",
                "192.0.2.0/-1",
                "192.0.2.0/+8",
                "192.0.2.0/024",
                "192.0.2.0/00",
                "192.0.2.0/ 24",
                "192.0.2.0/24 ",
                "192.0.2.0/24/24",
                "192.0.2.0/255.255.255.0",
                "192.0.2.0/4294967320",
                "192.0.2.0/99999999999999999999",
                "192.0.2.0/2４",
                "１92.0.2.1",
                "192.0.2.1:80",
                ":",
                ":::",
                "1::2::3",
                "1:2:3:4:5:6:7",
                "1:2:3:4:5:6:7:8:9",
                "1:2:3:4:5:6:7:8::",
                "12345::",
                "g::1",
                "::1%lo",
                "fe80::1%1",
                "::1%",
                "[::1]",
                "[::1]/128",
                "::1/129",
                "::/999",
                ":1",
                "1:",
                "::1.2.3",
                "::1.2.3.256",
                "::ffff:010.0.0.1",
                "1.2.3.4::",
                "::1.2.3.4:5",
                "::ffff:192.0.2.1/95",
                "\0",
                "::1\0",
                "*",
                "any",
            })
    void anythingElseIsNoneAndItIsSaidWhatToWrite(String text) {
        assertThat(Cidr.parse(text)).isNull();
        assertThat(Cidr.problem(text))
                .startsWith(
                        "is \"" + text + "\"; write an address such as 192.0.2.1 or 2001:db8::1, or a network such as");
    }

    @ParameterizedTest
    @CsvSource({
        "192.0.2.7/24, 192.0.2.0/24, 192.0.2.7",
        "192.0.2.1/31, 192.0.2.0/31, 192.0.2.1",
        "128.0.0.0/0, 0.0.0.0/0, 128.0.0.0",
        "2001:db8::1/64, 2001:db8:0:0:0:0:0:0/64, 2001:db8:0:0:0:0:0:1",
        "::ffff:192.0.2.7/120, 192.0.2.0/24, 192.0.2.7",
    })
    void bitsBelowThePrefixAreAMistakeThatIsExplained(String text, String network, String address) {
        assertThat(Cidr.parse(text)).isNull();
        assertThat(Cidr.problem(text))
                .isEqualTo("is \"%s\", which has bits set below its prefix; write %s, or %s for that address alone"
                        .formatted(text, network, address));
        assertThat(Cidr.parse(network)).isNotNull();
        assertThat(Cidr.parse(address)).isNotNull();
    }

    @ParameterizedTest
    @CsvSource({
        "192.0.2.0/24, 192.0.2.0, true",
        "192.0.2.0/24, 192.0.2.255, true",
        "192.0.2.0/24, 192.0.3.0, false",
        "192.0.2.0/24, 192.0.1.255, false",
        "192.0.2.128/25, 192.0.2.127, false",
        "192.0.2.128/25, 192.0.2.128, true",
        "10.0.0.4/30, 10.0.0.7, true",
        "10.0.0.4/30, 10.0.0.8, false",
        "192.0.2.1, 192.0.2.1, true",
        "192.0.2.1, 192.0.2.2, false",
        "0.0.0.0/0, 255.1.2.3, true",
        "0.0.0.0/0, ::1, false",
        "::/0, ::1, true",
        "::/0, 127.0.0.1, false",
        "::1/128, ::1, true",
        "::1/128, ::2, false",
        "2001:db8::/33, 2001:db8:7fff::1, true",
        "2001:db8::/33, 2001:db8:8000::1, false",
        "fe80::/10, febf::1, true",
        "::/96, ::192.0.2.1, true",
        "::ffff:192.0.2.0/120, 192.0.2.9, true",
    })
    void anAddressIsInTheNetworkIfThePrefixIsTheSame(String network, String address, boolean in) {
        assertThat(cidr(network).contains(address(address))).isEqualTo(in);
    }

    @Test
    void anIpv4AddressThatArrivesAsAnIpv6OneIsTheSame() throws Exception {
        byte[] mapped = new byte[16];
        mapped[10] = -1;
        mapped[11] = -1;
        System.arraycopy(address("192.0.2.9").getAddress(), 0, mapped, 12, 4);
        InetAddress address = Inet6Address.getByAddress(null, mapped, 0);
        assertThat(address).isInstanceOf(Inet6Address.class);
        assertThat(cidr("192.0.2.0/24").contains(address)).isTrue();
        assertThat(cidr("192.0.3.0/24").contains(address)).isFalse();
        assertThat(cidr("::/0").contains(address)).isFalse();
        mapped[9] = 1;
        assertThat(cidr("192.0.2.0/24").contains(Inet6Address.getByAddress(null, mapped, 0)))
                .isFalse();
    }

    @Test
    void theScopeOfAnAddressIsNoMatter() throws Exception {
        InetAddress scoped = Inet6Address.getByAddress(null, address("fe80::1").getAddress(), 1);
        assertThat(cidr("fe80::/64").contains(scoped)).isTrue();
        assertThat(cidr("fe80::1").contains(scoped)).isTrue();
    }

    @Test
    void containsWhatArithmeticSays() {
        RandomCases.run(2000, random -> {
            byte[] bytes = new byte[random.nextBoolean() ? 4 : 16];
            random.nextBytes(bytes);
            int width = bytes.length * 8;
            int prefixBits = random.nextInt(width + 1);
            BigInteger value = new BigInteger(1, bytes);
            BigInteger network = value.shiftRight(width - prefixBits).shiftLeft(width - prefixBits);
            Cidr cidr = cidr(of(network, bytes.length).getHostAddress() + "/" + prefixBits);
            assertThat(cidr.contains(of(value, bytes.length))).isTrue();
            if (prefixBits > 0) {
                BigInteger outside = value.flipBit(width - 1 - random.nextInt(prefixBits));
                assertThat(cidr.contains(of(outside, bytes.length))).isFalse();
            }
        });
    }

    private static InetAddress of(BigInteger value, int length) throws Exception {
        byte[] bytes = new byte[length];
        byte[] digits = value.toByteArray();
        int count = Math.min(length, digits.length);
        System.arraycopy(digits, digits.length - count, bytes, length - count, count);
        return InetAddress.getByAddress(bytes);
    }

    @Test
    void aNetworkMadeOtherwiseMustBeOneToo() {
        assertThatThrownBy(() -> new Cidr(address("192.0.2.1"), 24)).isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> new Cidr(address("192.0.2.0"), 33)).isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> new Cidr(address("::"), -1)).isInstanceOf(IllegalArgumentException.class);
    }
}
