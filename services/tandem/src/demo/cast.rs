//! Who is on air: the studios, what they sell, and how their viewers come in.

use tandem_model::catalogue::SOURCES;

/// A studio with its anchor.
#[derive(Debug)]
pub(super) struct Studio {
    pub(super) room_id: &'static str,
    pub(super) anchor_id: &'static str,
    pub(super) anchor_name: &'static str,
    pub(super) anchor_fans: u64,
    pub(super) titles: &'static [&'static str],
    pub(super) category: &'static str,
    pub(super) content_type: &'static str,
    pub(super) region: &'static str,
    pub(super) merchant_id: Option<&'static str>,
    pub(super) brand: Option<&'static str>,
    /// Enters per second at a usual moment.
    pub(super) enters_per_s: f64,
    /// How many in a hundred viewers follow the anchor already.
    pub(super) fans_percent: u32,
    /// Per traffic source, in the order of the catalogue, how many of a hundred viewers it brings.
    pub(super) sources: [u32; SOURCE_COUNT],
    /// Name, price in fen, and whether it is sold by deposit and balance.
    pub(super) items: &'static [(&'static str, u64, bool)],
}

pub(super) const SOURCE_COUNT: usize = 13;

/// The traffic source at `index` of a mix.
pub(super) fn source_at(index: usize) -> &'static str {
    SOURCES[index]
}

/// App or site with its weight.
pub(super) const CHANNELS: [(&str, u32); 6] =
    [("taobao", 52), ("diantao", 21), ("tmall", 12), ("weibo", 7), ("external", 5), ("xiaohongshu", 3)];

/// Province or country with its weight.
pub(super) const REGIONS: [(&str, u32); 14] = [
    ("广东", 16),
    ("江苏", 11),
    ("浙江", 11),
    ("山东", 9),
    ("河南", 8),
    ("四川", 8),
    ("上海", 7),
    ("北京", 7),
    ("湖北", 6),
    ("福建", 5),
    ("辽宁", 4),
    ("陕西", 4),
    ("Singapore", 2),
    ("Malaysia", 2),
];

/// Device family with its weight.
pub(super) const DEVICES: [(&str, u32); 5] =
    [("android", 58), ("iphone", 33), ("ipad", 4), ("harmony", 3), ("pc", 2)];

/// The studios; their sources in the order follow, recommend, ads, shop, search, item_page,
/// live_square, short_video, share, message, private_domain, activity, external.
pub(super) const STUDIOS: [Studio; 6] = [
    Studio {
        room_id: "room-beauty",
        anchor_id: "anchor-linxi",
        anchor_name: "林夕",
        anchor_fans: 12_480_000,
        titles: &["林夕美妆之夜｜大牌返场", "秋冬护肤专场，全场第二件半价"],
        category: "美妆",
        content_type: "专场",
        region: "上海",
        merchant_id: None,
        brand: None,
        enters_per_s: 6.0,
        fans_percent: 46,
        sources: [31, 22, 9, 2, 6, 3, 5, 10, 4, 3, 2, 2, 1],
        items: &[
            ("玻尿酸精华 30ml", 19_900, false),
            ("修护面霜 50g", 26_800, false),
            ("哑光口红 #07", 12_900, false),
            ("防晒乳 SPF50", 9_900, false),
            ("卸妆油 200ml", 8_900, false),
            ("双十一面膜礼盒", 39_900, true),
            ("眼霜 15ml", 32_800, false),
            ("气垫粉底", 15_900, false),
        ],
    },
    Studio {
        room_id: "room-fashion",
        anchor_id: "anchor-yaya",
        anchor_name: "雅雅 Yaya",
        anchor_fans: 3_260_000,
        titles: &["雅雅的衣橱：冬季上新", "Yaya's winter drop: coats and knits"],
        category: "服饰",
        content_type: "上新",
        region: "浙江",
        merchant_id: Some("merchant-yaya"),
        brand: Some("YAYA"),
        enters_per_s: 4.0,
        fans_percent: 38,
        sources: [24, 26, 8, 4, 5, 4, 6, 12, 4, 3, 2, 1, 1],
        items: &[
            ("羊毛大衣", 89_900, false),
            ("针织开衫", 25_900, false),
            ("直筒牛仔裤", 19_900, false),
            ("真丝衬衫", 45_900, false),
            ("预售 羽绒服", 129_900, true),
            ("羊绒围巾", 29_900, false),
            ("乐福鞋", 35_900, false),
        ],
    },
    Studio {
        room_id: "room-food",
        anchor_id: "anchor-laozhou",
        anchor_name: "老周下厨房",
        anchor_fans: 870_000,
        titles: &["老周请客：川味零食一口气吃到爽", "产地直发：今晚吃海鲜"],
        category: "食品",
        content_type: "产地",
        region: "四川",
        merchant_id: Some("merchant-chuanwei"),
        brand: None,
        enters_per_s: 3.0,
        fans_percent: 27,
        sources: [15, 31, 6, 3, 4, 2, 9, 17, 5, 2, 3, 2, 1],
        items: &[
            ("麻辣牛肉干 500g", 6_990, false),
            ("火锅底料 3 包", 3_990, false),
            ("大闸蟹 8 只", 29_800, false),
            ("爱媛果冻橙 5 斤", 3_680, false),
            ("坚果大礼包", 9_900, false),
            ("冻干咖啡 40 颗", 7_900, false),
        ],
    },
    Studio {
        room_id: "room-digital",
        anchor_id: "anchor-max",
        anchor_name: "Max 数码",
        anchor_fans: 2_140_000,
        titles: &["Max 开箱：这台手机值不值？", "Unboxing night: phones, earbuds, monitors"],
        category: "数码",
        content_type: "测评",
        region: "广东",
        merchant_id: None,
        brand: None,
        enters_per_s: 2.5,
        fans_percent: 33,
        sources: [18, 21, 13, 3, 14, 6, 4, 11, 3, 2, 1, 2, 2],
        items: &[
            ("降噪耳机", 89_900, false),
            ("4K 显示器 27 寸", 159_900, false),
            ("氮化镓充电器 65W", 9_900, false),
            ("折叠手机（定金）", 50_000, true),
            ("机械键盘", 39_900, false),
            ("运动手表", 129_900, false),
        ],
    },
    Studio {
        room_id: "room-kids",
        anchor_id: "anchor-doudou",
        anchor_name: "豆豆妈",
        anchor_fans: 96_000,
        titles: &["豆豆妈的母婴好物", "绘本与积木，陪娃神器专场"],
        category: "母婴",
        content_type: "日播",
        region: "江苏",
        merchant_id: Some("merchant-doudou"),
        brand: None,
        enters_per_s: 2.0,
        fans_percent: 52,
        sources: [33, 16, 4, 6, 5, 4, 3, 9, 6, 6, 6, 1, 1],
        items: &[
            ("纸尿裤 4 包", 25_900, false),
            ("儿童绘本 20 册", 12_800, false),
            ("积木 500 粒", 16_900, false),
            ("婴儿连体衣", 7_900, false),
            ("学饮杯", 4_900, false),
        ],
    },
    Studio {
        room_id: "room-home",
        anchor_id: "anchor-mia",
        anchor_name: "Mia at home",
        anchor_fans: 7_300,
        titles: &["Mia at home: small flat, big ideas", "厨房收纳，一场搞定"],
        category: "家居",
        content_type: "日播",
        region: "Singapore",
        merchant_id: None,
        brand: None,
        enters_per_s: 1.5,
        fans_percent: 18,
        sources: [9, 27, 11, 2, 7, 3, 12, 16, 4, 1, 1, 2, 5],
        items: &[
            ("不粘锅 28cm", 19_900, false),
            ("收纳箱 6 件", 8_900, false),
            ("香薰蜡烛", 6_900, false),
            ("四件套 纯棉", 29_900, false),
            ("空气炸锅", 39_900, false),
        ],
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mixes_are_out_of_a_hundred_and_use_every_source() {
        for studio in &STUDIOS {
            assert_eq!(studio.sources.iter().sum::<u32>(), 100, "{}", studio.room_id);
            assert!(studio.sources.iter().all(|weight| *weight > 0), "{}", studio.room_id);
        }
        for weights in [&CHANNELS[..], &REGIONS[..], &DEVICES[..]] {
            assert_eq!(weights.iter().map(|(_, weight)| weight).sum::<u32>(), 100);
        }
    }
}
