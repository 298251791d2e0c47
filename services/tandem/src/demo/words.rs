//! What viewers write, and what scenes show.

/// A comment with its topic, as an upstream classifier would name it.
pub(super) const COMMENTS: [(&str, &str); 24] = [
    ("这个多少钱？", "price"),
    ("能再便宜点吗", "price"),
    ("有优惠券吗", "price"),
    ("how much with the coupon?", "price"),
    ("什么时候发货", "delivery"),
    ("新疆包邮吗", "delivery"),
    ("do you ship to Penang?", "delivery"),
    ("敏感肌可以用吗", "product"),
    ("1 号链接再讲一下", "product"),
    ("这个颜色好看", "product"),
    ("有没有大码", "size"),
    ("160 斤穿多大", "size"),
    ("is the M true to size?", "size"),
    ("已拍，求快点发货", "bought"),
    ("拍了两件！", "bought"),
    ("bought it last time, love it", "bought"),
    ("主播今天好美", "praise"),
    ("666", "praise"),
    ("哈哈哈哈", "praise"),
    ("来了来了", "greeting"),
    ("主播晚上好", "greeting"),
    ("hello from Singapore", "greeting"),
    ("上次买的有点小问题，找谁退", "complaint"),
    ("客服一直不回", "complaint"),
];

/// What the picture shows, as a recognition model would name it.
pub(super) const SCENES: [&str; 5] =
    ["product_closeup", "anchor_talking", "try_on", "lottery", "guest_on_stage"];

/// The scene of a flash sale.
pub(super) const FLASH_SCENE: &str = "flash_sale";

/// Gifts, in fen.
pub(super) const GIFTS_FEN: [u64; 6] = [10, 10, 60, 100, 660, 5_200];
