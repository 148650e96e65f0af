// SPDX-License-Identifier: Apache-2.0
package dev.sluice.topology;

import java.net.InetAddress;
import java.net.UnknownHostException;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * A network, as users write it: {@code 192.0.2.0/24}, {@code ::1/128}, or an address alone. Names are not looked up. An
 * IPv4 address that is written or arrives as an IPv6 one ({@code ::ffff:192.0.2.1}) is the same as the IPv4 address.
 *
 * @param network has no bit set below the prefix
 * @param prefixBits from 0 to 32, or to 128 with IPv6
 */
public record Cidr(InetAddress network, int prefixBits) {

    private static final int IPV4_BITS = 32;
    private static final String FORM =
            "an address such as 192.0.2.1 or 2001:db8::1, or a network such as 192.0.2.0/24 or " + "2001:db8::/32";

    /** One way to write each byte: some read 010 as ten, some as eight. */
    private static final Pattern IPV4 =
            Pattern.compile("(?:BYTE\\.){3}BYTE".replace("BYTE", "(?:25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)"));

    private static final Pattern IPV6 = Pattern.compile("[0-9a-fA-F:]*:(?:[0-9a-fA-F]*|" + IPV4.pattern() + ")");
    private static final Pattern PREFIX = Pattern.compile("0|[1-9]\\d{0,2}");

    /** An address and a prefix; not a network yet if the address has bits below the prefix. */
    private record Written(InetAddress address, int prefixBits) {}

    public Cidr {
        if (prefixBits < 0 || prefixBits > bits(network) || !network.equals(masked(network, prefixBits))) {
            throw new IllegalArgumentException(network.getHostAddress() + "/" + prefixBits);
        }
    }

    /** Null if the text is not of that form; then {@link #problem} says why. */
    public static @Nullable Cidr parse(String text) {
        Written written = read(text);
        return written == null || hasBitsBelow(written) ? null : new Cidr(written.address, written.prefixBits);
    }

    /** What is wrong with a text that {@link #parse} does not take, to follow the name of its key; else empty. */
    public static String problem(String text) {
        Written written = read(text);
        if (written == null) {
            return "is \"" + text + "\"; write " + FORM;
        }
        if (!hasBitsBelow(written)) {
            return "";
        }
        return "is \"" + text + "\", which has bits set below its prefix; write "
                + new Cidr(masked(written.address, written.prefixBits), written.prefixBits) + ", or "
                + written.address.getHostAddress() + " for that address alone";
    }

    /** Whether an address is in the network. One of the other family never is. */
    public boolean contains(InetAddress address) {
        InetAddress plain = of(address.getAddress()); // an IPv4 address if it is one written as IPv6
        return bits(plain) == bits(network) && masked(plain, prefixBits).equals(network);
    }

    @Override
    public String toString() {
        return network.getHostAddress() + "/" + prefixBits;
    }

    private static @Nullable Written read(String text) {
        int slash = text.indexOf('/');
        String literal = slash < 0 ? text : text.substring(0, slash);
        boolean ipv6 = IPV6.matcher(literal).matches();
        if (!ipv6 && !IPV4.matcher(literal).matches()) {
            return null;
        }
        InetAddress address;
        try {
            address = InetAddress.ofLiteral(literal);
        } catch (IllegalArgumentException e) {
            return null;
        }
        int writtenBits = ipv6 ? 128 : IPV4_BITS;
        int prefixBits = writtenBits;
        if (slash >= 0) {
            String prefix = text.substring(slash + 1);
            if (!PREFIX.matcher(prefix).matches() || Integer.parseInt(prefix) > writtenBits) {
                return null;
            }
            prefixBits = Integer.parseInt(prefix);
        }
        int dropped = writtenBits - bits(address); // 96 for an IPv4 address written as an IPv6 one
        return prefixBits < dropped ? null : new Written(address, prefixBits - dropped);
    }

    private static boolean hasBitsBelow(Written written) {
        return !written.address.equals(masked(written.address, written.prefixBits));
    }

    private static int bits(InetAddress address) {
        return address.getAddress().length * Byte.SIZE;
    }

    private static InetAddress masked(InetAddress address, int prefixBits) {
        byte[] bytes = address.getAddress();
        for (int i = 0; i < bytes.length; i++) {
            int kept = Math.clamp(prefixBits - (long) i * Byte.SIZE, 0, Byte.SIZE);
            bytes[i] &= (byte) (0xff00 >> kept);
        }
        return of(bytes);
    }

    private static InetAddress of(byte[] bytes) {
        try {
            return InetAddress.getByAddress(bytes);
        } catch (UnknownHostException e) {
            throw new IllegalArgumentException(bytes.length + " bytes are no address", e);
        }
    }
}
